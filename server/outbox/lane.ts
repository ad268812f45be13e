import type { Delivery } from "./deliveries.ts";
import type { Lease, Settlement } from "./lease.ts";
import { awaitingShown, lookAhead } from "./limits.ts";
import { optionalNumber, type Row } from "./row.ts";

/** The sender of an event, as far as it matters for its turn. Deliveries of a lane have the same. */
export type Trust = Pick<Delivery, "trusted" | "reserved">;

/**
 * A queue of the deliveries owed to one person at one destination, in order. A person has up to three there, for events
 * of the backend, of a verified visitor and of anybody else, served in this order and by one request at a time. A lane's
 * row exists while it has entries. ARCHITECTURE.md has its states.
 */
export interface Lane extends Trust, Pick<Lease, "attempts" | "unreadable" | "failingSince" | "requests"> {
	readonly id: number;
	/** The destination's number in this store. */
	readonly destination: number;
	/** The person's key, as it is stored. */
	readonly person: string;
	/** Rank of the best delivery; the smaller, the sooner the lane is taken. */
	rank: number;
	/** Place among the lanes of a rank; the smaller, the sooner the lane is taken. */
	turn: number;
	/** End of a wait or lease; 0 in a ready lane. */
	dueAt: number;
	/** Maximum number of deliveries that a lease shows; undefined for no limit. */
	shown: number | undefined;
	/** Time at which the first delivery was fanned out. */
	owedSince: number;
}

/** The fields of a lane whose first delivery has not been tried. */
export const untried = {
	attempts: 0,
	unreadable: 0,
	failingSince: undefined,
	requests: 0,
	shown: undefined,
} satisfies Partial<Lane>;

export const trustOf = ({ trusted, reserved }: Row): Trust => ({
	trusted: Boolean(trusted),
	reserved: Boolean(reserved),
});

export const laneOf = (row: Row): Lane => ({
	id: Number(row.id),
	destination: Number(row.destination),
	person: String(row.person),
	rank: Number(row.rank),
	trusted: Boolean(row.trusted),
	reserved: Boolean(row.reserved),
	turn: Number(row.turn),
	dueAt: Number(row.due_at),
	attempts: Number(row.attempts),
	unreadable: Number(row.unreadable),
	failingSince: optionalNumber(row.failing_since),
	requests: Number(row.requests),
	shown: optionalNumber(row.shown),
	owedSince: Number(row.owed_since),
});

/** Returns a lane whose first deliveries have expired: it goes on waiting for an event worth a profile if it did. */
export const expiredLane = <Kept extends Lane>(lane: Kept, before: Lane | undefined): Kept =>
	before?.shown === awaitingShown ? { ...lane, shown: awaitingShown } : lane;

/**
 * Applies a settlement to a lane. If deliveries ended, `lane` is the remaining lane with the fields of `untried`; `sent`
 * and `narrowTo` are ignored then, because they concern the ended deliveries.
 */
export function settledLane<Kept extends Lane>(
	lane: Kept,
	{ ended, failed, postponedTo = 0, awaitedTo, narrowTo, sent, now }: Omit<Settlement, "lease">,
): Kept {
	const isAwaiting = lane.shown === awaitingShown;
	// An event worth a profile that came during the lease has changed `shown`.
	if (awaitedTo !== undefined) return { ...lane, shown: awaitingShown, dueAt: isAwaiting ? awaitedTo : 0 };
	const requests = lane.requests + (sent ? 1 : 0);
	const shown = isAwaiting ? lookAhead : lane.shown;
	const counted = ended ? lane : { ...lane, requests, shown: narrowTo ?? shown };
	if (!failed) return { ...counted, dueAt: postponedTo };
	return {
		...counted,
		dueAt: failed.dueAt,
		attempts: lane.attempts + 1,
		unreadable: lane.unreadable + (failed.unreadable ? 1 : 0),
		failingSince: lane.failingSince ?? now,
	};
}
