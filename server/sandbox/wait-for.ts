import { isDeepStrictEqual } from "node:util";
import { fold, type SandboxEvent, type SandboxPerson } from "./people.ts";
import type { ProviderName } from "./provider.ts";

/** Description of an event, in your app's terms. Fields that are left out match anything. */
export interface ExpectedEvent {
	/** Provider that receives the event; default any. */
	destination?: ProviderName;
	type?: "track" | "login" | "update" | "page" | "confirmation" | "email_open";
	/** Name of a track event. */
	name?: string;
	/** Data that the event must contain. For `login` and `update`: attributes that the profile must contain. */
	data?: Record<string, unknown>;
	person?: { email?: string; userId?: string };
}

/** An expected event that has arrived. */
export interface SandboxDelivery {
	destination: ProviderName;
	/** The profile in its present state. */
	person: SandboxPerson;
	/** The event on the profile; absent for `login` and `update`, which leave none. */
	event?: SandboxEvent;
}

function isPerson({ email, userId }: SandboxPerson, expected: ExpectedEvent["person"] = {}): boolean {
	return (
		(expected.email === undefined || (email !== undefined && fold(email) === fold(expected.email))) &&
		(expected.userId === undefined || userId === expected.userId)
	);
}

function isEvent({ name, data = {} }: SandboxEvent, expected: ExpectedEvent): boolean {
	// Providers receive events of other types under the type's name.
	const isTrack = expected.type === undefined || expected.type === "track";
	const wanted = isTrack ? expected.name : expected.type;
	return (
		(wanted === undefined || name === wanted) &&
		Object.entries(expected.data ?? {}).every(([key, value]) => isDeepStrictEqual(data[key], value))
	);
}

/** Whether a profile holds these attributes, under their own names or as values of the provider's fields. */
function hasAttributes({ attributes, profile, email }: SandboxPerson, expected: ExpectedEvent["data"] = {}): boolean {
	const values = (value: unknown): unknown[] =>
		typeof value === "object" && value !== null ? Object.values(value).flatMap(values) : [value];
	const fields = [email, ...values(profile)];
	return Object.entries(expected).every(([name, value]) => attributes[name] === value || fields.includes(value));
}

/** Finds an expected event on the profiles; undefined when it has not arrived. */
export function findDelivery(
	people: Partial<Record<ProviderName, SandboxPerson[]>>,
	expected: ExpectedEvent,
): SandboxDelivery | undefined {
	const isUpdate = expected.type === "login" || expected.type === "update";
	for (const [destination, all] of Object.entries(people) as [ProviderName, SandboxPerson[]][]) {
		if (expected.destination !== undefined && expected.destination !== destination) continue;
		for (const person of all.filter((each) => isPerson(each, expected.person))) {
			const event = isUpdate ? undefined : person.events.find((each) => isEvent(each, expected));
			const isThere = isUpdate ? hasAttributes(person, expected.data) : event !== undefined;
			if (isThere) return structuredClone({ destination, person, ...(event && { event }) });
		}
	}
	return undefined;
}
