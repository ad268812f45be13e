import { hash } from "node:crypto";
import type { Person } from "../../shared/event.ts";
import { isUpdate, type StoredEvent } from "../stored-event.ts";
import { isScalar, type Scalar } from "./provider.ts";

/** Attributes as last sent: a short hash of the value, and when (ms). */
export type Sent = Record<string, [digest: string, at: number]>;

/** After this an attribute is sent again even if it is the same: somebody may have changed it over there. */
const rememberMs = 30 * 86_400_000;
/** Attributes remembered of one person at most, the latest sent. */
const rememberMost = 200;

const digest = (value: unknown) => hash("sha256", JSON.stringify(value), "base64").slice(0, 12);

/**
 * The events a lane starts with that are of the same person as the first, by what a provider tells people
 * apart by: a lane is of one e-mail, which two of its people may share.
 */
export function ofFirstPerson(
	[first, ...rest]: readonly [StoredEvent, ...StoredEvent[]],
	address: (person: Person) => unknown,
): [StoredEvent, ...StoredEvent[]] {
	const other = rest.findIndex(({ event }) => address(event.person) !== address(first.event.person));
	return [first, ...(other < 0 ? rest : rest.slice(0, other))];
}

/** The updates a lane starts with, as one: how many events they are, and their attributes, later values winning. */
export function leadingUpdates(
	events: readonly StoredEvent[],
	maySet: (name: string, event: StoredEvent) => boolean = () => true,
): { count: number; attributes: Record<string, Scalar>; leftOut: number } {
	const attributes: Record<string, Scalar> = {};
	let count = 0;
	let leftOut = 0;
	for (const stored of events) {
		if (!isUpdate(stored.event)) break;
		count += 1;
		for (const [name, value] of Object.entries(stored.event.data ?? {})) {
			if (name !== "" && isScalar(value) && maySet(name, stored)) attributes[name] = value;
			else leftOut += 1;
		}
	}
	return { count, attributes, leftOut };
}

/** Leaves out what was last sent with the same value. */
export function unsent<Value>(attributes: Record<string, Value>, sent: Sent = {}, now: number): Record<string, Value> {
	return Object.fromEntries(
		Object.entries(attributes).filter(([name, value]) => {
			const [before, at] = (Object.hasOwn(sent, name) && sent[name]) || ["", 0];
			return before !== digest(value) || now - at >= rememberMs;
		}),
	);
}

/** What has been sent, these attributes included. */
export function remember(sent: Sent = {}, attributes: Record<string, unknown>, now: number): Sent {
	const fresh: Sent = Object.fromEntries(
		Object.entries(attributes).map(([name, value]) => [name, [digest(value), now]]),
	);
	const rest = Object.entries(sent).filter(([name]) => !Object.hasOwn(fresh, name));
	return Object.fromEntries([...rest, ...Object.entries(fresh)].slice(-rememberMost));
}

const nameAttributes = new Set(["name", "nickname", "firstname", "lastname"]);
const present = (value: Scalar | undefined): value is Scalar => value !== undefined && String(value).trim() !== "";

/**
 * A person's name from the attributes that can hold one: `name`, else `nickname`, else `firstname` and
 * `lastname` together, as half a name must not replace a whole one. `rest` is all that did not go into it.
 */
export function splitName(attributes: Record<string, Scalar>): {
	name: string | undefined;
	rest: Record<string, Scalar>;
} {
	const { name, nickname, firstname, lastname } = attributes;
	const isWhole = present(firstname) && present(lastname);
	const [used, value]: [string[], Scalar | undefined] = present(name)
		? [["name"], name]
		: present(nickname)
			? [["nickname"], nickname]
			: isWhole
				? [["firstname", "lastname"], `${firstname} ${lastname}`]
				: [[], undefined];
	const blanks = (key: string, each: Scalar) => nameAttributes.has(key) && !present(each);
	const rest = Object.entries(attributes).filter(([key, each]) => !used.includes(key) && !blanks(key, each));
	return { name: present(value) ? String(value).trim() : undefined, rest: Object.fromEntries(rest) };
}

/** The name that the first updates of a lane to have one will set: what a person created before them is called. */
export function nameAhead(events: readonly StoredEvent[]): string | undefined {
	for (const place of events.keys()) {
		const { name } = splitName(leadingUpdates(events.slice(place)).attributes);
		if (name !== undefined) return name;
	}
	return undefined;
}
