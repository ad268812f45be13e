import { isDeepStrictEqual } from "node:util";
import type { SandboxEvent, SandboxPerson } from "./people.ts";
import type { Destination } from "./provider.ts";

/** An event as your app tracks it, as far as you care: what is left out may be anything. */
export interface ExpectedEvent {
	/** Default: whichever has it first. */
	destination?: Destination;
	type?: "track" | "login" | "update" | "page" | "confirmation" | "email_open";
	/** A track event's. */
	name?: string;
	/** At least this. Of a `login` or `update`: attributes, whose values the profile then holds. */
	data?: Record<string, unknown>;
	person?: { email?: string; userId?: string };
}

/** Where an expected event has arrived. */
export interface SandboxDelivery {
	destination: Destination;
	/** The profile as it is now. */
	person: SandboxPerson;
	/** The event on it; a `login` or `update` leaves none. */
	event?: SandboxEvent;
}

const folded = (text: string | undefined) => text?.trim().toLowerCase();

function isPerson({ email, userId }: SandboxPerson, expected: ExpectedEvent["person"] = {}): boolean {
	return (
		(expected.email === undefined || folded(email) === folded(expected.email)) &&
		(expected.userId === undefined || userId === expected.userId)
	);
}

function isEvent({ name, data = {} }: SandboxEvent, expected: ExpectedEvent): boolean {
	// Whatever is not a track event has its type for a name.
	const isTrack = expected.type === undefined || expected.type === "track";
	const wanted = isTrack ? expected.name : expected.type;
	return (
		(wanted === undefined || name === wanted) &&
		Object.entries(expected.data ?? {}).every(([key, value]) => isDeepStrictEqual(data[key], value))
	);
}

/** Whether a profile holds these attributes: by their names, or as fields of the provider's, which have names of their own. */
function hasAttributes({ attributes, profile, email }: SandboxPerson, expected: ExpectedEvent["data"] = {}): boolean {
	const values = (value: unknown): unknown[] =>
		typeof value === "object" && value !== null ? Object.values(value).flatMap(values) : [value];
	const fields = [email, ...values(profile)];
	return Object.entries(expected).every(([name, value]) => attributes[name] === value || fields.includes(value));
}

/** Where an event has arrived, if it has. */
export function findDelivery(
	people: Partial<Record<Destination, SandboxPerson[]>>,
	expected: ExpectedEvent,
): SandboxDelivery | undefined {
	const isUpdate = expected.type === "login" || expected.type === "update";
	for (const [destination, all] of Object.entries(people) as [Destination, SandboxPerson[]][]) {
		if (expected.destination !== undefined && expected.destination !== destination) continue;
		for (const person of all.filter((each) => isPerson(each, expected.person))) {
			const event = isUpdate ? undefined : person.events.find((each) => isEvent(each, expected));
			const isThere = isUpdate ? hasAttributes(person, expected.data) : event !== undefined;
			if (isThere) return structuredClone({ destination, person, ...(event && { event }) });
		}
	}
	return undefined;
}
