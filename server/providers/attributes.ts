import { hash } from "node:crypto";
import type { Person } from "../../shared/event.ts";
import { type StoredEvent, setsAttributes } from "../stored-event.ts";
import { isScalar, type Scalar } from "./json.ts";
import type { Lane } from "./provider.ts";

/** Attributes as last sent: a short hash of each value, and the time of sending, ms since the epoch. */
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

/** Merges the leading updates and logins: later values win. `leftOut` counts values that `maySet` or their type rules out. */
export function leadingUpdates(
	events: readonly StoredEvent[],
	maySet: (name: string, event: StoredEvent) => boolean = () => true,
): { count: number; attributes: Record<string, Scalar>; leftOut: number } {
	const attributes: Record<string, Scalar> = {};
	let count = 0;
	let leftOut = 0;
	for (const stored of events) {
		if (!setsAttributes(stored.event)) break;
		count += 1;
		for (const [name, value] of Object.entries(stored.event.data ?? {})) {
			if (name !== "" && isScalar(value) && maySet(name, stored)) attributes[name] = value;
			else leftOut += 1;
		}
	}
	return { count, attributes, leftOut };
}

/** Selects the attributes that were never sent, sent with another value, or sent more than 30 days ago. */
export function unsent<Value>(attributes: Record<string, Value>, sent: Sent = {}, now: number): Record<string, Value> {
	return Object.fromEntries(
		Object.entries(attributes).filter(([name, value]) => {
			const [before, at] = (Object.hasOwn(sent, name) && sent[name]) || ["", 0];
			return before !== digest(value) || now - at >= rememberMs;
		}),
	);
}

/** Adds attributes to those remembered as sent. */
export function remember(sent: Sent = {}, attributes: Record<string, unknown>, now: number): Sent {
	const fresh: Sent = Object.fromEntries(
		Object.entries(attributes).map(([name, value]) => [name, [digest(value), now]]),
	);
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
const isPresent = (value: Scalar | undefined) => value !== undefined && String(value).trim() !== "";

/**
 * Splits a person's name off their attributes: `name`, else `nickname`, else `firstname` and `lastname`, but only both,
 * so that half a name never replaces a whole one. `rest` has all other attributes.
 */
export function splitName(attributes: Record<string, Scalar>) {
	const used = names.find((parts) => parts.every((part) => isPresent(attributes[part]))) ?? [];
	const name = used.map((part) => attributes[part]).join(" ");
	const rest = Object.entries(attributes).filter(
		([key, value]) => !used.includes(key) && (isPresent(value) || !names.flat().includes(key)),
	);
	return { name: name.trim() || undefined, rest: Object.fromEntries(rest) };
}

/** Name for a profile that must be created for a lane: the first name that one of the lane's updates will set. */
export function nameAhead(events: readonly StoredEvent[]): string | undefined {
	for (const place of events.keys()) {
		const { name } = splitName(leadingUpdates(events.slice(place)).attributes);
		if (name !== undefined) return name;
	}
	return undefined;
}
