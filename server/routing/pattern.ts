import { type Event, eventTypes } from "../../shared/event.ts";

/** The part of an event that patterns are compared with. */
export type Named = Pick<Event, "type"> & { name?: string };

export type Matcher = (event: Named) => boolean;

/** Tells whether a name has the parts of a pattern in their order. Takes time that is linear in the name's length. */
function hasParts([first = "", ...others]: readonly string[], name: string): boolean {
	const last = others.at(-1) ?? "";
	let from = first.length;
	if (!name.startsWith(first)) return false;
	for (const part of others.slice(0, -1)) {
		const at = name.indexOf(part, from);
		if (at < 0) return false;
		from = at + part.length;
	}
	return name.length - from >= last.length && name.endsWith(last);
}

/** Compiles a pattern: a type, `*` for every event, else the name of a `track`, in which `*` stands for any characters. */
export function matcherOf(pattern: string): Matcher {
	if (eventTypes.some((type) => type === pattern)) return ({ type }) => type === pattern;
	if (pattern === "*") return () => true;
	const parts = pattern.split("*");
	if (parts.length === 1) return ({ type, name }) => type === "track" && name === pattern;
	return ({ type, name = "" }) => type === "track" && hasParts(parts, name);
}

/** Tells whether a pattern may match some `track` events and not others. */
export const isOfName = (pattern: string): boolean => pattern !== "*" && !eventTypes.some((type) => type === pattern);
