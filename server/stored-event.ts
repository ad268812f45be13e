import type { Color, Event, Person } from "../shared/event.ts";

/** An event as it is stored, with the facts that the proxy established when it accepted the event. */
export interface StoredEvent {
	event: Event;
	/** True for an event of the backend or of a verified visitor. */
	trusted: boolean;
	/** Voucher for the data: true if the backend vouches for all of it, else the names that a token vouches for. */
	signed?: true | string[];
	/** Time of acceptance by the proxy's clock, ms since the epoch. */
	receivedAt: number;
	/**
	 * Changes that the site's rules make, by the name of the destination; under `*` if all of the event's destinations get
	 * the same. The event itself stays as it was captured.
	 */
	ruled?: Readonly<Record<string, Ruled>> | undefined;
	/** True for an event that may be merged with its neighbours. Set only while it is planned for one destination. */
	digest?: true | undefined;
}

/** Key of changes that are the same at all destinations of an event, in place of the destinations' names. */
export const everywhere = "*";

/** Changes that a site's rules make to an event at one destination. */
export interface Ruled {
	/** Name of the event there. */
	name?: string | undefined;
	as?: "track" | "confirmation" | undefined;
	/** Paths in the event's data of the fields of a confirmation, by field. */
	pick?: Readonly<Record<string, string>> | undefined;
	color?: Color | undefined;
	/** Time after capture, ms, after which the event is not delivered. */
	expires?: number | undefined;
	digest?: true | undefined;
}

/** Names the claim of a person's event on its id. */
export function idClaim(person: string, id: string): { key: string; cluster: string } {
	// The first 24 bits of a UUIDv7 are its time in steps of 4.7 hours, so that new claims lie side by side on disk:
	// https://www.rfc-editor.org/rfc/rfc9562#section-5.7
	const cluster = id[14] === "7" ? id.slice(0, 6) : "000000";
	// Guard (SECURITY.md): event-id-of-person
	const key = `id\n${person}\n${id}`;
	return { key, cluster };
}

/** Names the claim of a purchase on its order, at one destination or everywhere. */
export const orderClaim = (orderId: string | number, where = ""): { key: string; ofPerson: true } => ({
	key: `order${where}\n${orderId}`,
	ofPerson: true,
});

/** Tells whether the backend or a token vouches for an attribute. Only such attributes may set privileged fields. */
export const isSigned = ({ signed }: StoredEvent, name: string): boolean => signed === true || !!signed?.includes(name);

/**
 * Normalises an e-mail, for a person's key. Only A-Z become lower case: `toLowerCase()` would make an ASCII k of the
 * Kelvin sign, and with it another person's address.
 */
// Guard (SECURITY.md): ascii-folding
export const normaliseEmail = (email: string): string =>
	email.trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/**
 * Returns a person's key: `email:` and the e-mail if there is one, else `userId:` and the userId. An event with both
 * does not link them.
 */
export function personKey({ email, userId }: Person): string | undefined {
	if (email !== undefined) return `email:${normaliseEmail(email)}`;
	return userId === undefined ? undefined : `userId:${userId}`;
}

/** Parses a person's key. */
export function personOf(key: string): Pick<Person, "email" | "userId"> {
	const colon = key.indexOf(":");
	return { [key.slice(0, colon)]: key.slice(colon + 1) };
}

/** Tells whether an event only sets attributes: several such events can be one request. */
export const setsAttributes = ({ type }: { type?: unknown }): boolean => type === "login" || type === "update";
