import { hash } from "node:crypto";
import type { Person } from "../../shared/event.ts";
import { type StoredEvent, setsAttributes } from "../stored-event.ts";
import { isScalar, type Scalar } from "./json.ts";
import { isLabelName, type LabelName, labelsMost, readLabels } from "./labels.ts";
import type { Lane } from "./provider.ts";

/** Value of an attribute; null unsets it. */
export type Value = Scalar | null;

/**
 * Attributes as last sent: a short hash of each value, and the time of sending, ms since the epoch. `!` and a hash stand
 * for a value that the provider refused, `!` alone for an attribute that it refused because of its name.
 */
export type Sent = Record<string, [digest: string, at: number]>;

/** Time in ms after which an unchanged attribute is sent again, as somebody may have changed it at the provider. */
const rememberMs = 30 * 86_400_000;
/** Maximum number of attributes remembered for one person. The oldest are forgotten first. */
const rememberMost = 200;
/** Maximum size of what is remembered of one person's attributes, in bytes of JSON. */
// Guard (SECURITY.md): remembered-attributes
const rememberedBytes = 16_384;

const digest = (value: unknown) => hash("sha256", JSON.stringify(value), "base64").slice(0, 12);

/**
 * Returns the leading events that are about the person of the first one. People with the same e-mail share a lane;
 * `identify` returns a value by which the provider tells them apart.
 */
export function ofFirstPerson([first, ...rest]: Lane, identify: (person: Person) => unknown): Lane {
	const other = rest.findIndex(({ event }) => identify(event.person) !== identify(first.event.person));
	return [first, ...(other < 0 ? rest : rest.slice(0, other))];
}

/** Leading updates and logins of a lane, merged. */
interface Updates {
	count: number;
	attributes: Record<string, Value>;
	labels: string[];
	/** Number of values that cannot be held or may not be set. */
	leftOut: number;
}

/**
 * Merges the leading updates and logins: later values win, and labels add up, as many as fit in a request. `label` is
 * the attribute whose labels the provider can hold.
 */
export function leadingUpdates(
	events: readonly StoredEvent[],
	{ label, maySet = () => true }: { label?: LabelName; maySet?(name: string, event: StoredEvent): boolean } = {},
): Updates {
	const attributes: Record<string, Value> = {};
	let labels = new Set<string>();
	let [count, leftOut] = [0, 0];
	for (const stored of events) {
		if (!setsAttributes(stored.event)) break;
		const { data = {} } = stored.event;
		const own = label !== undefined && data[label] !== undefined ? readLabels(data[label]) : undefined;
		const together = new Set([...labels, ...(own?.labels ?? [])]);
		if (together.size > labelsMost) break;
		labels = together;
		count += 1;
		leftOut += own?.leftOut ?? 0;
		for (const [name, value] of Object.entries(data)) {
			if (name === label) continue;
			const isValue = name !== "" && !isLabelName(name) && (value === null || isScalar(value));
			if (isValue && maySet(name, stored)) attributes[name] = value;
			else leftOut += 1;
		}
	}
	return { count, attributes, labels: [...labels], leftOut };
}

/** Names labels as they are remembered as sent. */
export const labelKeys = (labels: readonly string[]): Record<string, true> =>
	Object.fromEntries(labels.map((label) => [`label.${digest(label)}`, true]));

/** Selects the labels that were not sent within 30 days. */
export const unsentLabels = (labels: readonly string[], sent: Sent | undefined, now: number): string[] =>
	labels.filter((label) => Object.keys(unsent(labelKeys([label]), sent, now)).length > 0);

/** Returns the hash with which an attribute was last sent or refused, unless that is more than 30 days ago. */
function lately(sent: Sent, name: string, now: number): string | undefined {
	const [before, at] = (Object.hasOwn(sent, name) && sent[name]) || ["", 0];
	return now - at < rememberMs ? before : undefined;
}

const isRefused = (before: string | undefined, value: unknown): boolean =>
	before === "!" || before === `!${digest(value)}`;

/** Selects the attributes to send: those that were neither sent with the same value nor refused within 30 days. */
export function unsent<Each>(attributes: Record<string, Each>, sent: Sent = {}, now: number): Record<string, Each> {
	return Object.fromEntries(
		Object.entries(attributes).filter(([name, value]) => {
			const before = lately(sent, name, now);
			return before !== digest(value) && !isRefused(before, value);
		}),
	);
}

/** Lists the attributes that are not sent because the provider has refused them within 30 days. */
export const refusedAmong = (attributes: Record<string, unknown>, sent: Sent = {}, now: number): string[] =>
	Object.keys(attributes).filter((name) => isRefused(lately(sent, name, now), attributes[name]));

/** Adds attributes to those remembered as sent. */
export const remember = (sent: Sent | undefined, attributes: Record<string, unknown>, now: number): Sent =>
	added(
		sent,
		Object.entries(attributes).map(([name, value]) => [name, [digest(value), now]]),
	);

/** Adds attributes to those remembered as refused: those that `isOfName` selects whatever their value. */
export const rememberRefused = (
	sent: Sent | undefined,
	attributes: Record<string, unknown>,
	isOfName: (name: string) => boolean,
	now: number,
): Sent =>
	added(
		sent,
		Object.entries(attributes).map(([name, value]) => [name, [isOfName(name) ? "!" : `!${digest(value)}`, now]]),
	);

function added(sent: Sent = {}, entries: [string, Sent[string]][]): Sent {
	const fresh: Sent = Object.fromEntries(entries);
	const rest = Object.entries(sent).filter(([name]) => !Object.hasOwn(fresh, name));
	const all = [...rest, ...Object.entries(fresh)].slice(-rememberMost);
	let bytes = 0;
	const forgotten = all.findLastIndex((entry) => {
		bytes += Buffer.byteLength(JSON.stringify(entry));
		return bytes > rememberedBytes;
	});
	return Object.fromEntries(all.slice(forgotten + 1));
}

/** Attributes that make a name, the preferred ones first. */
const names = [["name"], ["nickname"], ["firstname", "lastname"]];
const isPresent = (value: Value | undefined) => value !== undefined && value !== null && String(value).trim() !== "";

/**
 * Splits a person's name off their attributes: `name`, else `nickname`, else `firstname` and `lastname`, but only both,
 * so that half a name never replaces a whole one. Null if none is given and one of these is unset. `rest` has all other
 * attributes.
 */
export function splitName(attributes: Record<string, Value>) {
	const given = names.find((parts) => parts.every((part) => isPresent(attributes[part])));
	const used = given ?? names.find((parts) => parts.every((part) => attributes[part] === null)) ?? [];
	const name =
		given
			?.map((part) => attributes[part])
			.join(" ")
			.trim() ?? (used.length > 0 ? null : undefined);
	const rest = Object.entries(attributes).filter(
		([key, value]) => !used.includes(key) && (value === null || isPresent(value) || !names.flat().includes(key)),
	);
	return { name, rest: Object.fromEntries(rest) };
}

/** Name for a profile that must be created for a lane: the first name that one of the lane's updates will set. */
export function nameAhead(events: readonly StoredEvent[]): string | undefined {
	for (const place of events.keys()) {
		const { name } = splitName(leadingUpdates(events.slice(place)).attributes);
		if (typeof name === "string") return name;
	}
	return undefined;
}
