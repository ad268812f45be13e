import type { Purse } from "./budget.ts";
import type { Context } from "./context.ts";
import type { GroupHold } from "./group-hold.ts";
import type { OpenLeases } from "./open-leases.ts";
import { deliveriesPerLease } from "./settlement.ts";

/** Lease time, ms: longer than the time limit of a request. */
const leaseMs = 60_000;
/** Longest time between two takes, ms: another process may have made a lane ready without a notice. */
const takeAgainMs = 60_000;

/** Leases lanes, and remembers when to lease more. flow.ts tells when `readyAt` changes. */
export function createTakes(context: Context, openLeases: OpenLeases, purse: Purse, hold: GroupHold) {
	const { destination, provider, outbox, now } = context;
	let readyAt = 0;
	let served = 0;
	let isMore = false;
	/** True if the last take was of the backend's events alone because slow requests were many. */
	let hasPassedOver = false;
	/** Returns the earliest time at which the store may have a ready lane that no take has seen. */
	const isReadyAt = () => (hasPassedOver && !openLeases.isCrowded() ? 0 : readyAt);
	return {
		/** Counts the lanes for which there is room, if it is time for a take at `at`; else returns 0. */
		due: (at: number): number => (isReadyAt() <= at ? openLeases.room(hold.probing(), isMore) : 0),

		/**
		 * Returns the time of the next take. If it is past at `at`, only room is lacking: a slow request may make some, and
		 * changes wake the loop. One look must ask at one time, or a take that becomes due in between is missed.
		 */
		idleUntil: (at: number): number =>
			Math.min(isReadyAt() > at ? isReadyAt() : Number.POSITIVE_INFINITY, openLeases.slowAt()),

		/** Notes that a lane may be ready from this time on. */
		readyFrom(at: number): void {
			readyAt = Math.min(readyAt, at);
		},

		/** Leases up to `lanes` ready lanes. */
		async take(lanes: number): Promise<void> {
			const before = hold.stored();
			hasPassedOver = openLeases.isCrowded();
			const reservedOnly = hasPassedOver || purse.reservedOnly();
			readyAt = Number.POSITIVE_INFINITY;
			const taken = await outbox.take({
				destination,
				lanes,
				deliveries: provider.batch ?? deliveriesPerLease,
				isMixed: provider.batch !== undefined,
				served,
				reservedOnly,
				hold: before,
				holding: openLeases.all().map(({ lease }) => lease.lane),
				now: now(),
				leaseMs,
			});
			for (const lease of taken.leases) openLeases.add(lease, reservedOnly);
			served += taken.leases.length;
			isMore = taken.isMore;
			const isRefused = taken.hold !== before;
			if (isRefused) hold.seen(before, taken.hold);
			const nextAt = isRefused || taken.isMore ? 0 : (taken.nextAt ?? Number.POSITIVE_INFINITY);
			readyAt = Math.min(readyAt, nextAt, now() + takeAgainMs);
		},
	};
}
