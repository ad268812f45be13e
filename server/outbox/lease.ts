import type { Delivery } from "./deliveries.ts";
import type { Destination } from "./destination.ts";

/** A request for leases. */
export interface TakeRequest {
	destination: Destination;
	/** Maximum number of lanes. */
	lanes: number;
	/** Maximum number of deliveries of each lane. */
	deliveries: number;
	/** True if one request may deliver events of any kind: a lease does not end with an `alone` delivery then. */
	isMixed?: boolean;
	/** Number of lanes leased before; every tenth lease goes to the lane that has waited longest. */
	served: number;
	/** Restricts the leases to lanes that may spend the reserve. */
	reservedOnly: boolean;
	/** Hold as the dispatcher knows it. Nothing is leased if the destination has another. */
	hold?: string | undefined;
	/** Lanes on which the dispatcher still works. They are not leased again, even after their leases ran out. */
	holding: number[];
	now: number;
	leaseMs: number;
}

/** The leases given, and the state of the destination. */
export interface Taken {
	leases: Lease[];
	/** The hold of the destination. */
	hold: string | undefined;
	/** True if more lanes are ready than were asked for. */
	isMore: boolean;
	/** Time at which the next lane becomes ready, if any waits. */
	nextAt: number | undefined;
}

/** Permission to send one request for a lane. It ends when it is settled or runs out. */
export interface Lease {
	destination: Destination;
	lane: number;
	/** Number of the lease, raised by each lease of the lane. A settlement with an older number changes nothing. */
	number: number;
	person: string;
	/** JSON that the provider remembers of the person. */
	known: string | undefined;
	/** Number of failed attempts of the first delivery. */
	attempts: number;
	/** Number of failed attempts with an unreadable answer. */
	unreadable: number;
	/** Time of the first failed attempt. */
	failingSince: number | undefined;
	/** Number of answered requests since a delivery of the lane last ended; retries and waits do not count. */
	requests: number;
	/**
	 * True if an event worth a profile waits for the person, in any of their lanes at the destination. Told once a lease of
	 * the lane has been narrowed or has awaited such an event.
	 */
	earns?: boolean;
	/** Bodies of the leading deliveries, at least one. */
	bodies: string[];
}

/** A way for deliveries to end. */
export type Ending =
	| { kind: "delivered" }
	| { kind: "dead"; reason: string; message?: string | undefined; status?: number | undefined }
	| { kind: "discarded"; reason: string };

/** Reason of deliveries that ended because they had waited too long. */
export const expiredReason = "expired";

/** Returns the ending of one delivery among several: one that lapses is discarded where others expire as dead letters. */
export const endingOf = (ending: Ending, { lapses }: Pick<Delivery, "lapses">): Ending =>
	lapses && ending.kind === "dead" && ending.reason === expiredReason
		? { kind: "discarded", reason: expiredReason }
		: ending;

/** The outcome of a lease. */
export interface Settlement {
	lease: Pick<Lease, "destination" | "lane" | "number" | "person">;
	now: number;
	/** Number of leading deliveries that have ended, and how they ended. Without it all stay owed. */
	ended?: { count: number; ending: Ending } | undefined;
	/** A failed attempt of the first delivery; the lane waits until `dueAt`. */
	failed?: { dueAt: number; unreadable?: boolean };
	/** Time until which the lane waits, although no attempt has failed. */
	postponedTo?: number;
	/**
	 * Time until which the lane waits, unless an event worth a profile comes. The first time, the lane stays ready: the
	 * next lease shows what came meanwhile.
	 */
	awaitedTo?: number;
	/** JSON that the provider shall remember of the person, in place of the old. */
	known?: string | undefined;
	/** Aliases of the person at the destination, to be linked. */
	aliases?: string[];
	/** Maximum number of deliveries in each lease until a delivery ends. Lifts the stop at an `alone` delivery. */
	narrowTo?: number;
	/** True if the request counts in `Lease.requests`. */
	sent?: boolean;
	/**
	 * True if the request only prepared the first delivery (a lookup, a creation) or none was sent. The lane keeps its
	 * turn: a budget that ends in between would otherwise be spent on preparations alone.
	 */
	isOnTheWay?: boolean;
	/** Number of attributes left out because the provider cannot hold them. */
	leftOut?: number | undefined;
}

/**
 * State of a lane after a settlement. "yields" means that another lane of the person comes next: the lane is gone or
 * remains behind it. "lost" means that the lease was lost and nothing has changed.
 */
export type Settled = "remains" | "gone" | "yields" | "lost";

/** A request to end the deliveries of a destination that were fanned out before a time. */
export interface ExpireRequest {
	destination: Destination;
	before: number;
	now: number;
}

/** Number of leases of which the last goes, regardless of rank, to the lane that has waited longest. */
const longestEvery = 10;
/** Counts the leases given by rank before the next one regardless of rank. `served` is the number so far. */
export const tillLongest = (served: number): number => longestEvery - 1 - (served % longestEvery);
