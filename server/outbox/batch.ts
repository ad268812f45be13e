import type { Delivery } from "./deliveries.ts";

/**
 * An idempotency key with an expiry. Fan-out takes the claims of each event; if one is taken already, it discards the
 * event and counts it under the claim's `reason`.
 */
export interface Claim {
	key: string;
	/** 6 hex digits of the time in the event's id. A person's claims with the same cluster are stored side by side. */
	cluster?: string;
	/** True for a claim of one person: its key counts for that person only, and it is forgotten with the person. */
	ofPerson?: boolean;
	/** True for a claim that discards the event if it is taken, but is not taken by the event. */
	isOnlyChecked?: boolean;
	/**
	 * True for a trusted purchase's claim on its order. It overrides an untrusted purchase's claim at each destination where
	 * that purchase waits unsent, which is then discarded, or has given the order back.
	 */
	replaces?: boolean;
	/** True for an untrusted purchase's claim on its order, which one that `replaces` may override. */
	isReplaceable?: boolean;
	/** Destination that alone gets no delivery if the claim is taken; absent for a claim that discards the event. */
	destination?: string;
	reason: string;
	/** Time of the event, ms, which is compared with the term of a claim already taken. */
	at: number;
	/** Start of the claim's term. A taken claim discards events with `since` ≤ `at` < `until`. */
	since: number;
	until: number;
}

/** Facts about an event's deliveries at some destinations, by name, in place of the event's own. */
export type Exceptions = Readonly<Record<string, Partial<Pick<Delivery, "rank" | "alone" | "lapses" | "earns">>>>;

/** An event to be stored. */
export interface NewEvent {
	/** Key of the person; site, destination and person name a lane. */
	person: string;
	/** The event as one line of JSON, text or UTF-8. The outbox parses it only to find a purchase of an order. */
	body: string | Uint8Array;
	/** Names of the destinations that the event goes to. */
	destinations: string[];
	/** Priority: lanes with a smaller rank are served first. */
	rank: number;
	/** Permission to spend the reserve of a budget. Such an event is trusted. */
	reserved: boolean;
	/** True for an event of the backend or of a verified visitor. */
	trusted: boolean;
	/** True for an event that always takes a request of its own. A lease shows no delivery after it; see `Settlement.narrowTo`. */
	alone?: boolean;
	/** Facts that differ at some of the destinations, by name. */
	exceptions?: Exceptions | undefined;
	claims: Claim[];
}

/** Events of one request, stored together or not at all. */
export interface Batch {
	site: string;
	events: NewEvent[];
	/** Deliveries to count as discarded without storing them, by destination and reason. */
	skipped?: { destination: string; reason: string; count: number }[] | undefined;
}
