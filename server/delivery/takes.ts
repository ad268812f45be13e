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
	return {
		/** Earliest time at which the store may have a ready lane that no take has seen. */
		readyAt: () => (hasPassedOver && !openLeases.isCrowded() ? 0 : readyAt),

		/** Tells whether the last take left ready lanes behind. */
		isMore: () => isMore,

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
