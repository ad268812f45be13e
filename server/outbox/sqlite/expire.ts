import { expiredLane, laneOf } from "../lane.ts";
import { type ExpireRequest, expiredReason } from "../lease.ts";
import { expireLanes, lookAhead } from "../limits.ts";
import type { Ends } from "./ends.ts";
import { deliveriesOf } from "./entries.ts";
import type { Shared } from "./shared.ts";

export function createExpiry({ all, idOf, lanes, leases }: Shared, { end }: Ends) {
	/** Ends deliveries that were fanned out before a time as dead letters, in some lanes that are not leased. */
	return function expire({ destination, before: storedBefore, now }: ExpireRequest): number {
		const old = all(
			`SELECT * FROM lane WHERE destination = ? AND owed_since < ? ORDER BY owed_since LIMIT ${expireLanes}`,
			[idOf(destination.site, destination.name), storedBefore],
		);
		let expired = 0;
		for (const before of old.map(laneOf).filter(({ id }) => leases.leasedUntil(id) === undefined)) {
			const lane = { ...before };
			const entries = all(
				`SELECT deliveries FROM entry JOIN owing ON owing.bundle = entry.bundle
				WHERE lane = ? AND stored_at < ? ORDER BY entry.bundle LIMIT ${lookAhead}`,
				[lane.id, storedBefore],
			);
			const deliveries = entries.reduce((sum, entry) => sum + deliveriesOf(entry).length, 0);
			if (!end(lane, deliveries, { kind: "dead", reason: expiredReason }, now, 0).isEmpty)
				lanes.write(expiredLane(lane, before), before);
			expired += deliveries;
		}
		return expired;
	};
}
