import { expiredLane, laneOf } from "../lane.ts";
import { type ExpireRequest, expiredReason } from "../lease.ts";
import { expireLanes, lookAhead } from "../limits.ts";
import type { End, Ends } from "./ends.ts";
import { lockedLaneOf, updateLanes } from "./lanes.ts";
import { isLeased } from "./owners.ts";
import type { Shared } from "./shared.ts";

export function createExpiry({ database, destinations, counters, owner }: Shared, { read, end }: Ends) {
	/** Ends deliveries that were fanned out before a time as dead letters, in some lanes that are not leased. */
	return async function expire({ destination, before: storedBefore, now }: ExpireRequest): Promise<number> {
		const id = await destinations.id(destination);
		return database.transaction(async (run) => {
			const rows = await run(
				`SELECT * FROM eventferry.lane WHERE destination = $1 AND owed_since < $2 AND NOT (${isLeased("lane", "$3")})
				ORDER BY owed_since LIMIT ${expireLanes} FOR UPDATE SKIP LOCKED`,
				[id, storedBefore, owner.knownTo],
			);
			const counts = counters(run);
			const ends = rows.map(
				(row): End => ({
					lane: lockedLaneOf(row),
					count: lookAhead,
					isIncluded: ({ entry }) => entry.storedAt < storedBefore,
					ending: { kind: "dead", reason: expiredReason },
					attempts: 0,
					now,
				}),
			);
			const entries = await read(
				run,
				ends.map(({ lane: { id }, count }) => ({ id, count })),
			);
			const after = await end(run, ends, entries, counts);
			const before = new Map(rows.map((row) => [Number(row.id), laneOf(row)]));
			const left = after.filter(({ isEmpty }) => !isEmpty).map(({ lane }) => expiredLane(lane, before.get(lane.id)));
			await Promise.all([updateLanes(run, left), counts.save()]);
			return after.reduce((sum, { ended }) => sum + ended, 0);
		});
	};
}
