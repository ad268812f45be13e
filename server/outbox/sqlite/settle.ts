import { laneOf, settledLane } from "../lane.ts";
import type { Settled, Settlement } from "../lease.ts";
import { knownFreshMs } from "../limits.ts";
import type { Ends } from "./ends.ts";
import type { Shared } from "./shared.ts";

export function createSettling({ run, get, numbers, count, lanes, leases, links }: Shared, { end }: Ends) {
	return function settle({ lease, ...settlement }: Settlement): Settled {
		const { destination, lane: id, number, person } = lease;
		const { now, ended, known, aliases = [], leftOut = 0, isOnTheWay } = settlement;
		if (leases.numberOf(id) !== number) return "lost";
		const row = get("SELECT * FROM lane WHERE id = ?", [id]);
		if (!row) return "lost";
		leases.letGo(id);
		if (known !== undefined) {
			run(
				`INSERT INTO known VALUES (?, ?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET value = excluded.value, used_at = excluded.used_at
				WHERE value <> excluded.value OR abs(used_at - excluded.used_at) > ${knownFreshMs}`,
				[destination.site, destination.name, person, known, now],
			);
		}
		for (const alias of aliases) links.link(destination.site, { destination: destination.name, alias, person }, now);
		const before = laneOf(row);
		const lane = { ...before };
		count(lane.destination, "leftOut", leftOut);
		const { isEmpty, yields } = ended ? end(lane, ended.count, ended.ending, now) : { isEmpty: false, yields: false };
		if (!isEmpty) lanes.write({ ...settledLane(lane, settlement), turn: isOnTheWay ? lane.turn : numbers() }, before);
		// A lane that was leased before one with more trust was made has been behind that one since.
		if (yields || row.behind === 1) return "yields";
		return isEmpty ? "gone" : "remains";
	};
}
