import { type Lane, laneOf } from "../lane.ts";
import { type Lease, type Taken, type TakeRequest, tillLongest } from "../lease.ts";
import { optionalNumber } from "../row.ts";
import type { Base } from "./base.ts";
import type { Row } from "./statements.ts";

interface Held {
	destination: number;
	person: string;
	number: number;
	/** End of the lease. */
	dueAt: number;
}

/**
 * Makes the leases. They are kept in memory, as only one process has the file open: at the start no lane is leased, and
 * leasing one writes nothing.
 */
export function createLeases({ run, get, each, transactions: { onRollback }, numbers, idOf, entries, holds }: Base) {
	/** Leases by the id of the lane. */
	const held = new Map<number, Held>();

	function letGo(lane: number): void {
		const before = held.get(lane);
		if (!before) return;
		held.delete(lane);
		onRollback(() => held.set(lane, before));
	}

	/** Reads the ready lanes of a destination, of people who have no leased lane there. */
	function* ready(
		destination: number,
		{ reservedOnly }: TakeRequest,
		order: string,
		busy: ReadonlySet<string>,
	): IterableIterator<Row> {
		const which = `destination = ? AND due_at = 0 AND ${reservedOnly ? "reserved = 1" : "behind = 0"}`;
		// The index has all of this. Rows are read without those under lease, which are the first ones.
		for (const { id = null } of each(`SELECT id FROM lane WHERE ${which} ORDER BY ${order}`, [destination])) {
			const row = held.has(Number(id)) ? undefined : get("SELECT * FROM lane WHERE id = ?", [id]);
			if (row && !busy.has(String(row.person))) yield row;
		}
	}

	/** Makes lanes ready whose wait is over; returns the end of the next wait. */
	function wake(destination: number, now: number): number | undefined {
		const next = () =>
			optionalNumber(get("SELECT min(due_at) AS at FROM lane WHERE destination = ? AND due_at > 0", [destination])?.at);
		const at = next();
		if (at === undefined || at > now) return at;
		run("UPDATE lane SET due_at = 0 WHERE destination = ? AND due_at > 0 AND due_at <= ?", [destination, now]);
		return next();
	}

	function lease(lane: Lane, { destination, deliveries, isMixed, now, leaseMs }: TakeRequest): Lease {
		const { id, person, attempts, unreadable, failingSince, requests, shown } = lane;
		const number = numbers();
		held.set(id, { destination: lane.destination, person, number, dueAt: now + leaseMs });
		onRollback(() => held.delete(id));
		const who = [destination.site, destination.name, person];
		const known = get("SELECT value FROM known WHERE site = ? AND destination = ? AND person = ?", who);
		const bodies = entries.bodies(lane, Math.min(deliveries, shown ?? deliveries), !isMixed && shown === undefined);
		const earns = shown !== undefined && entries.earns(lane);
		const tried = { attempts, unreadable, failingSince, requests, ...(earns && { earns }) };
		return { destination, lane: id, number, person, known: known && String(known.value), ...tried, bodies };
	}

	return {
		/** Returns the end of a lane's lease, if it is leased. */
		leasedUntil: (lane: number): number | undefined => held.get(lane)?.dueAt,
		/** Returns the number of a lane's lease, if it is leased. */
		numberOf: (lane: number): number | undefined => held.get(lane)?.number,
		letGo,

		take(request: TakeRequest): Taken {
			const { now, holding, served } = request;
			const { site, name } = request.destination;
			const hold = holds.holdOf(request.destination);
			if (hold !== request.hold) return { leases: [], isMore: false, nextAt: undefined, hold };
			const destination = idOf(site, name);
			const busy = new Set<string>();
			for (const [lane, each] of held) {
				if (each.destination !== destination) continue;
				if (each.dueAt <= now && !holding.includes(lane)) letGo(lane);
				else busy.add(each.person);
			}
			const nextWaiting = wake(destination, now);

			const byRank = ready(destination, request, "rank, turn", busy);
			const byTurn = ready(destination, request, "turn", busy);
			const leases: Lease[] = [];
			while (leases.length < request.lanes) {
				const isLongest = tillLongest(served + leases.length) === 0;
				const { value } = (isLongest ? byTurn : byRank).next();
				if (!value) break;
				const lane = laneOf(value);
				busy.add(lane.person);
				leases.push(lease(lane, request));
			}
			const isMore = leases.length === request.lanes && !byRank.next().done;
			for (const lanes of [byRank, byTurn]) lanes.return?.();
			let next = nextWaiting ?? Number.POSITIVE_INFINITY;
			for (const [lane, each] of held)
				if (each.destination === destination && !holding.includes(lane)) next = Math.min(next, each.dueAt);
			return { leases, isMore, nextAt: Number.isFinite(next) ? next : undefined, hold };
		},
	};
}
