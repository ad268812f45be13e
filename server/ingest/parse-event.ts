import {
	colors,
	type Event,
	eventSchema,
	eventTypes,
	invisible,
	isAmbiguous,
	limits,
	type Person,
} from "../../shared/event.ts";
import { setsAttributes } from "../stored-event.ts";
import { isObject } from "./tidy-event.ts";

/** An event with the known fields only, as `eventSchema` returns it. */
interface ParsedEvent {
	event: Event;
	/**
	 * Upper bound of the size of `data` as JSON in UTF-8. Up to the limit, `data` need not be serialised to be measured.
	 */
	dataBytesAtMost: number;
}

type Json = Record<string, unknown>;
type Is = (value: unknown) => boolean;

const isNumber = (value: unknown): value is number => Number.isFinite(value);

// Guard (SECURITY.md): printable-text-fast
const unprintable = /[\p{Cc}\p{Cs}]/u;
const isText = (value: unknown, max: number): value is string =>
	typeof value === "string" && value !== "" && value.length <= max && !unprintable.test(value);
const isId = (value: unknown): value is string => isText(value, limits.idLength) && !invisible.test(value);
const isToken = (value: unknown) => typeof value === "string" && value !== "" && value.length <= 4_096;
/** Schema of `ids`, which are too rare to need a faster check. */
const idsSchema = eventSchema.options[0].shape.person.shape.ids;
const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
const address = /^[^\s@]+@[^\s@]+$/;

/**
 * Recognises keys that could reach a prototype, and keys with half a surrogate pair: V8 may read those as another key:
 * https://github.com/nodejs/node/issues/63785
 */
// Guard (SECURITY.md): forbidden-keys
export const isForbidden = (key: string): boolean =>
	key === "__proto__" || key === "constructor" || key === "prototype" || !key.isWellFormed();

/** Recognises numbers such as `1e999`: valid JSON, but Infinity once parsed, and null when it is serialised again. */
// Guard (SECURITY.md): finite-numbers
export const isTooLarge = (value: unknown): boolean => typeof value === "number" && !Number.isFinite(value);

/**
 * Upper bound of a value's size as JSON, in bytes. Infinity for a forbidden key, too many levels or too large a number.
 */
function bytesAtMost(value: unknown, levels: number): number {
	// One UTF-16 code unit takes 6 bytes at most (escaped, as \u0000), a number 25, a comma or bracket 1.
	if (typeof value === "string") return 6 * value.length + 3;
	if (typeof value !== "object" || value === null) return isTooLarge(value) ? Number.POSITIVE_INFINITY : 26;
	// Guard (SECURITY.md): data-depth-fast
	if (levels === 0) return Number.POSITIVE_INFINITY;
	let bytes = 3;
	if (Array.isArray(value)) {
		for (const inner of value) bytes += bytesAtMost(inner, levels - 1);
		return bytes;
	}
	for (const key in value) {
		if (isForbidden(key)) return Number.POSITIVE_INFINITY;
		bytes += 6 * key.length + 3 + bytesAtMost((value as Json)[key], levels - 1);
	}
	return bytes;
}

/** Copies an optional field. Returns false if the field is present and invalid. */
function copy(from: Json, name: string, into: object, is: Is): boolean {
	const value = from[name];
	if (value === undefined) return true;
	if (!is(value)) return false;
	(into as Json)[name] = value;
	return true;
}

function personOf(raw: unknown): Person | undefined {
	if (!isObject(raw)) return undefined;
	const person: Person = {};
	const { email } = raw;
	if (email !== undefined) {
		const trimmed = typeof email === "string" ? email.trim() : email;
		if (!isText(trimmed, limits.emailLength) || !address.test(trimmed)) return undefined;
		if (invisible.test(String(email)) || isAmbiguous(trimmed)) return undefined;
		person.email = trimmed;
	}
	if (!copy(raw, "userId", person, (value) => isId(value) && !isAmbiguous(value))) return undefined;
	if (!copy(raw, "anonymousId", person, isId)) return undefined;
	if (!copy(raw, "token", person, isToken)) return undefined;
	if (raw.ids === undefined) return person;
	const ids = idsSchema.safeParse(raw.ids);
	if (!ids.success) return undefined;
	person.ids = ids.data;
	return person;
}

const contextNames = ["url", "title", "referrer", "locale", "timezone", "via"] as const;

function contextOf(raw: unknown): Event["context"] {
	if (!isObject(raw)) return undefined;
	const context: Event["context"] = {};
	for (const name of contextNames) {
		const text = raw[name];
		if (typeof text === "string") context[name] = text.slice(0, limits.contextLength);
		else if (text !== undefined) return undefined;
	}
	return context;
}

const isItem = (raw: unknown) =>
	isObject(raw) && (typeof raw.id === "string" || isNumber(raw.id)) && isNumber(raw.quantity);
/** Tells whether tidy data is that of a purchase. */
export const isOrder = ({ orderId, total, items }: Json): boolean =>
	(isId(orderId) || isNumber(orderId)) &&
	(total === undefined || isNumber(total)) &&
	(items === undefined || (Array.isArray(items) && items.every(isItem)));

/** Tells whether an object has attributes whose names are all short enough to be remembered. */
export function areAttributes(value: unknown): value is Json {
	if (!isObject(value)) return false;
	for (const name in value) {
		if (name.length > limits.attributeNameLength) return false;
	}
	return true;
}

const types = new Set<unknown>(eventTypes);

/** Copies `data`, and the `name` of a track. Returns false if one of them is invalid. */
function copyRest(raw: Json, event: Json): boolean {
	if (!types.has(raw.type)) return false;
	if (raw.type === "confirmation") {
		return raw.data !== undefined && copy(raw, "data", event, (data) => isObject(data) && isOrder(data));
	}
	if (raw.type === "track") {
		if (!isText(raw.name, limits.nameLength)) return false;
		event.name = raw.name;
	}
	return copy(raw, "data", event, setsAttributes(raw) ? areAttributes : isObject);
}

/**
 * Parses an event as `eventSchema` and the structural checks do, only faster; a property in
 * `test/unit/ingest/parse-event.test.ts` compares the two. Returns undefined for an invalid event, without the reason.
 */
export function parseEvent(raw: unknown): ParsedEvent | undefined {
	if (!isObject(raw) || typeof raw.id !== "string" || !uuid.test(raw.id)) return undefined;
	if (!Number.isSafeInteger(raw.at) || Number(raw.at) < 0) return undefined;
	let dataBytesAtMost = 0;
	for (const key in raw) {
		const bytes = isForbidden(key) ? Number.POSITIVE_INFINITY : bytesAtMost(raw[key], limits.dataDepth);
		if (bytes === Number.POSITIVE_INFINITY) return undefined;
		if (key === "data") dataBytesAtMost = bytes;
	}
	const person = personOf(raw.person);
	if (!person) return undefined;
	const event: Json = { id: raw.id.toLowerCase(), at: raw.at, person };
	if (!copy(raw, "color", event, (color) => colors.some((known) => known === color))) return undefined;
	if (raw.context !== undefined) {
		const context = contextOf(raw.context);
		if (!context) return undefined;
		event.context = context;
	}
	event.type = raw.type;
	return copyRest(raw, event) ? { event: event as Event, dataBytesAtMost } : undefined;
}
