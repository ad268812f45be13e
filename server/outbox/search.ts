import type { Destination } from "./destination.ts";

/** A query for deliveries that are owed to people. */
export interface OwedQuery {
	destinations: Destination[];
	/** Keys of the people. */
	persons: string[];
	/** Ids of the events to find, from `findEvents`; every event without it. */
	events?: string[];
	/** Maximum number of deliveries of each lane. */
	limit: number;
}

/** A delivery that is owed, and its place in the lane. */
export interface OwedDelivery {
	destination: Destination;
	person: string;
	body: string;
	/** Number of deliveries before it in the lane. */
	ahead: number;
	/** State of the lane; see ARCHITECTURE.md. */
	state: "ready" | "leased" | "waiting";
	/** End of the wait or of the lease. */
	dueAt?: number;
	/** Number of failed attempts of the first delivery of the lane. */
	attempts: number;
}

/** The events that one step of a search has found. */
export interface FoundEvents {
	/** Events; `id` means something in this store only. */
	events: { id: string; body: string }[];
	/** Start of the next step; absent after the last one. */
	cursor?: string;
}
