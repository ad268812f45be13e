import type { Event, Person } from "../shared/event.ts";

/** What the outbox keeps as an event's body: the event, and what the proxy knew when it took it. */
export interface StoredEvent {
	event: Event;
	/** From the backend, or with a verified identity: nobody's invention. */
	trusted: boolean;
	/** Whose say the data is: true for the backend's, else the names of what a verified token says; the rest is the page's. */
	signed?: true | string[];
	/** ms since the epoch, the proxy's clock. */
	receivedAt: number;
}

/** Whether a name in an event's data may be one that no page may set. */
export const isSigned = ({ signed }: StoredEvent, name: string): boolean => signed === true || !!signed?.includes(name);

/** An e-mail as a person's key: the same for every way of writing it. */
export const normaliseEmail = (email: string): string => email.trim().toLowerCase();

/**
 * Who an event is about, as lanes, deduplication and restrictions see it: the e-mail if there is one,
 * else the userId. A pure function of the event; keys are never linked.
 */
export function personKey({ email, userId }: Person): string | undefined {
	if (email !== undefined) return `email:${normaliseEmail(email)}`;
	return userId === undefined ? undefined : `userId:${userId}`;
}

/** The person a key is of. */
export function personOf(key: string): Pick<Person, "email" | "userId"> {
	const colon = key.indexOf(":");
	return { [key.slice(0, colon)]: key.slice(colon + 1) };
}

/** Whether an event only sets attributes, so that several of them can be one request. */
export const isUpdate = ({ type }: Pick<Event, "type">): boolean => type === "login" || type === "update";
