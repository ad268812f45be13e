import type { Destination } from "./destination.ts";

export interface OwedQuery {
	destinations: Destination[];
	/** Their keys. */
	persons: string[];
	/** Only these events, as `findEvents` named them. */
	events?: string[];
	/** Deliveries of each lane at most. */
	limit: number;
}

/** A delivery that is owed, and where in its lane it is. */
export interface OwedDelivery {
	destination: Destination;
	person: string;
	body: string;
	/** Deliveries of the same lane that come before it. */
	ahead: number;
	/** What the lane is; see ARCHITECTURE.md. */
	state: "ready" | "leased" | "waiting";
	/** When a waiting lane may be taken, or when a lease runs out. */
	dueAt?: number;
	/** Failed attempts of the first delivery of the lane. */
	attempts: number;
}

export interface FoundEvents {
	/** `id` is the store's own. */
	events: { id: string; body: string }[];
	/** Where the next step starts, if there is one. */
	cursor?: string;
}
