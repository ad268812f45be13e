import type { Destination } from "./destination.ts";

export interface TakeRequest {
	destination: Destination;
	/** Lanes at most. */
	lanes: number;
	/** Deliveries of each lane at most. */
	deliveries: number;
	/** Lanes leased before these, to tell which is a tenth. */
	served: number;
	/** Only lanes whose first delivery a budget's reserve may be spent on. */
	reservedOnly: boolean;
	/** What the worker knows to hold the destination. Where something else does, nothing is leased. */
	hold?: string | undefined;
	/** Lanes this worker still works on: never leased again to itself, however late it is. */
	holding: number[];
	now: number;
	leaseMs: number;
}

export interface Taken {
	leases: Lease[];
	/** What holds the destination. */
	hold: string | undefined;
	/** When the next lane that is not ready now becomes so, if any. */
	nextAt: number | undefined;
}

/** One lane, for one request. */
export interface Lease {
	destination: Destination;
	lane: number;
	/** Raised by each `take` of the lane: an older number settles nothing. */
	number: number;
	person: string;
	/** What the provider learnt of this person so far, as it wrote it. */
	known: string | undefined;
	/** Failed attempts of the first delivery, those with an answer that could not be read, and when the first was. */
	attempts: number;
	unreadable: number;
	failingSince: number | undefined;
	/** Requests sent since the last delivery of this lane ended. */
	requests: number;
	/** Bodies of the deliveries owed, in order; at least one. */
	bodies: string[];
}

/** What becomes of the leading deliveries of a lease. */
export type Ending =
	| { kind: "delivered" }
	| { kind: "dead"; reason: string; message?: string; status?: number }
	| { kind: "discarded"; reason: string };

export interface Settlement {
	lease: Pick<Lease, "destination" | "lane" | "number" | "person">;
	now: number;
	/** How many leading deliveries have ended, and how. Absent: all stay owed. */
	ended?: { count: number; ending: Ending };
	/** A counted failure of the first delivery: the lane waits until `dueAt`. */
	failed?: { dueAt: number; unreadable?: boolean };
	/** Replaces what is known of the person. */
	known?: string;
	/** The destination's own names for the person, to be linked to them. */
	aliases?: string[];
	/** The next lease of this lane shows this many deliveries at most, until one ends; those after one that is alone too. */
	narrowTo?: number;
	/** Whether a request was sent. */
	sent?: boolean;
	/**
	 * It was only on the way to the first delivery, as a lookup or a creation is, or nothing was sent: the lane keeps its
	 * place in the turn, so that a budget that ends in between is not spent for nothing.
	 */
	isOnTheWay?: boolean;
	/** Attributes that did not fit there and were not sent, to be counted. */
	leftOut?: number;
}

/** One lease of so many goes to the lane that has waited longest, whatever its rank. */
const longestEvery = 10;
/** Counts the leases that still go by rank before one goes by waiting, given the number of leases so far. */
export const tillLongest = (served: number): number => longestEvery - 1 - (served % longestEvery);
