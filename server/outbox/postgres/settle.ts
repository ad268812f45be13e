import { settledLane } from "../lane.ts";
import type { Settled, Settlement } from "../lease.ts";
import { columns, type Run, tellAtCommit } from "./connection.ts";
import type { End, Ends } from "./ends.ts";
import { type LockedLane, lockedLaneOf, updateLanes } from "./lanes.ts";
import { link } from "./links.ts";
import { createDeliveredSettling, lockLeased, onKnown } from "./settle-delivered.ts";
import type { Shared } from "./shared.ts";
import { storable } from "./text.ts";

const remember = (run: Run, known: readonly { lane: LockedLane; value: string; now: number }[]) =>
	run(
		`INSERT INTO eventferry.known (destination, person, value, used_at)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[]) ${onKnown}`,
		columns(
			known,
			({ lane }) => lane.destination,
			({ lane }) => lane.person,
			({ value }) => storable(value),
			"now",
		),
	);

/** Applies a settlement to a lane, and ends its lease. */
function released(lane: LockedLane, settlement: Settlement): LockedLane {
	const settled = settledLane(lane, settlement);
	const state = settled.dueAt > 0 ? "waiting" : "ready";
	return { ...settled, state, owner: undefined, moves: !settlement.isOnTheWay };
}

/**
 * Makes the settlement of leases. It locks lanes first and reads their entries in later statements, which see entries
 * added in between, https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED.
 */
export function createSettling({ database, counters, owner }: Shared, { read, end }: Ends) {
	const settleDelivered = createDeliveredSettling({ database, owner });

	async function settleAny(settlements: readonly Settlement[]): Promise<Settled[]> {
		if (settlements.length === 0) return [];
		return database.transaction(async (run) => {
			const locking = run(lockLeased("*"), [settlements.map(({ lease }) => lease.lane), owner.id]);
			const counted = settlements.map(({ lease, ended }): [number, number] => [lease.lane, ended?.count ?? 0]);
			const most = Map.groupBy(counted, ([id]) => id);
			const reading = read(
				run,
				[...most].map(([id, theirs]) => ({ id, count: Math.max(...theirs.map(([, count]) => count)) })),
			);
			const [rows, entries] = await Promise.all([locking, reading]);
			const lanes = new Map(rows.map((row) => [`${row.id} ${row.lease}`, lockedLaneOf(row)]));
			const held = settlements.flatMap((settlement) => {
				const lane = lanes.get(`${settlement.lease.lane} ${settlement.lease.number}`);
				return lane ? [{ lane, settlement }] : [];
			});
			const counts = counters(run);
			const ends = held.flatMap(({ lane, settlement: { ended, now } }): End[] =>
				ended ? [{ lane, count: ended.count, ending: ended.ending, attempts: 1, now }] : [],
			);
			const after = new Map((await end(run, ends, entries, counts)).map((each) => [each.lane.id, each]));
			const updated = held.flatMap(({ lane, settlement }) => {
				const ended = after.get(lane.id);
				return ended?.isEmpty ? [] : [released(ended?.lane ?? lane, settlement)];
			});
			const known = held.flatMap(({ lane, settlement: { known: value, now } }) =>
				value === undefined ? [] : [{ lane, value, now }],
			);
			tellAtCommit(updateLanes(run, updated));
			if (known.length > 0) void remember(run, known);
			for (const { lane, settlement } of held) {
				const { site, name } = settlement.lease.destination;
				counts.add(site, name, "leftOut", settlement.leftOut ?? 0);
				for (const alias of settlement.aliases ?? []) {
					void link(run, lane.destination, { alias, person: lane.person }, settlement.now);
				}
			}
			tellAtCommit(counts.save());
			const states = new Map(
				held.map(({ lane, settlement }): [Settlement, Settled] => {
					const { isEmpty = false, yields = false } = after.get(lane.id) ?? {};
					// A lane that was leased before one with more trust was made has been behind that one since.
					return [settlement, yields || lane.behind ? "yields" : isEmpty ? "gone" : "remains"];
				}),
			);
			return settlements.map((settlement) => states.get(settlement) ?? "lost");
		});
	}

	/** Records the outcomes of several leases; returns the states of their lanes. Those stored first stand if the others fail. */
	return async (settlements: readonly Settlement[]): Promise<(Settled | Promise<Settled>)[]> => {
		const delivered = await settleDelivered(settlements);
		const others = settlements.filter((each) => !delivered.has(each));
		const settling = settleAny(others);
		await Promise.allSettled([settling]);
		return settlements.map(
			(each) => delivered.get(each) ?? settling.then((states) => states[others.indexOf(each)] ?? "lost"),
		);
	};
}
