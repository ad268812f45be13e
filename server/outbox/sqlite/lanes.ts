import type { Buried, Past } from "../dead-letter.ts";
import {
	bestPacked,
	bestRank,
	countPacked,
	type Delivery,
	packDeliveries,
	splitPacked,
	unpackDeliveries,
} from "../deliveries.ts";
import { type Lane, laneOf, untried } from "../lane.ts";
import type { Ending } from "../lease.ts";
import { expireLanes, lookAhead } from "../limits.ts";
import { optionalNumber } from "../row.ts";
import { counterOf } from "../tally.ts";
import { type Bundles, lineReader } from "./bundles.ts";
import type { Counters } from "./counters.ts";
import { bytesOf, type Row, type Statements } from "./statements.ts";

/** A lane waits no longer than this: more means that the clock was set back since. */
const longestWaitMs = 900_000;

/** What a bundle's events owe one destination. */
export interface Owed {
	bundle: number;
	deliveries: Delivery[];
	/** What a replayed dead letter brings along. */
	past?: Past;
}

export type Lanes = ReturnType<typeof createLanes>;

interface Parts {
	statements: Statements;
	numbers(): number;
	counters: Counters;
	bundles: Bundles;
	bury(buried: Buried): void;
}

/** The lanes: what is owed to whom. Whose turn it is, and who works on it, is for leases. */
export function createLanes({
	statements: { run, get, all, each },
	numbers,
	counters: { count },
	bundles,
	bury,
}: Parts) {
	const deliveriesOf = ({ deliveries }: Row) => unpackDeliveries(bytesOf(deliveries));

	/** Ends leading deliveries of a lane's first entry, so many at most; returns how many, and what is left of that entry. */
	function endSome(lane: Lane, most: number, ending: Ending, now: number, attemptsOf: (index: number) => number) {
		const entry = get("SELECT * FROM entry WHERE lane = ? ORDER BY bundle LIMIT 1", lane.id);
		if (!entry) return { count: 0, left: undefined };
		const bundle = Number(entry.bundle);
		const [ended, left] = splitPacked(bytesOf(entry.deliveries), most);
		if (ending.kind === "dead") {
			const { destination, person } = lane;
			const bodies = bundles.bodies(bundle);
			const firstAt = optionalNumber(entry.first_at) ?? lane.failingSince ?? now;
			for (const [index, { place, rank, reserved }] of unpackDeliveries(ended).entries()) {
				const attempts = Number(entry.past_attempts) + attemptsOf(index);
				const body = bodies[place] ?? "";
				bury({ destination, person, body, rank, reserved, attempts, firstAt, at: now, ending });
			}
		}
		const count = countPacked(ended);
		if (left.length === 0) {
			run("DELETE FROM entry WHERE lane = ? AND bundle = ?", lane.id, bundle);
			bundles.release(bundle);
			return { count, left: undefined };
		}
		run(
			"UPDATE entry SET deliveries = ?, rank = ? WHERE lane = ? AND bundle = ?",
			left,
			bestPacked(left),
			lane.id,
			bundle,
		);
		return { count, left };
	}

	function remove({ id, destination }: Lane): void {
		run("DELETE FROM lane WHERE id = ?", id);
		count(destination, "lanes", -1);
	}

	/** Ends a lane's leading deliveries, and makes of the lane what is left; to be written then, unless it is empty and gone. */
	function end(lane: Lane, deliveries: number, ending: Ending, now: number, attemptsNow = 1): { isEmpty: boolean } {
		let done = 0;
		let rest: Uint8Array | undefined;
		for (let some = 1; some > 0 && done < deliveries; done += some) {
			// What a lane has tried it has tried for its first delivery.
			const tried = done === 0 ? lane.attempts : 0;
			const attemptsOf = (index: number) => attemptsNow + (index === 0 ? tried : 0);
			({ count: some, left: rest } = endSome(lane, deliveries - done, ending, now, attemptsOf));
		}
		count(lane.destination, "owed", -done);
		count(lane.destination, counterOf(ending), done);
		const isReserved = (packed: Uint8Array) => unpackDeliveries(splitPacked(packed, 1)[0])[0]?.reserved === true;
		// With as good a one left in the same entry nothing else of the lane has changed.
		if (rest && bestPacked(rest) <= lane.rank) {
			Object.assign(lane, { ...untried, reserved: isReserved(rest) });
			return { isEmpty: false };
		}
		const first = get(
			`SELECT deliveries, stored_at, (SELECT min(rank) FROM
				(SELECT rank FROM entry WHERE lane = ?1 ORDER BY bundle LIMIT ${lookAhead})) AS best
			FROM entry JOIN owing ON owing.bundle = entry.bundle WHERE lane = ?1 ORDER BY entry.bundle LIMIT 1`,
			lane.id,
		);
		if (!first) {
			remove(lane);
			return { isEmpty: true };
		}
		const reserved = isReserved(bytesOf(first.deliveries));
		Object.assign(lane, { ...untried, reserved, rank: Number(first.best), owedSince: Number(first.stored_at) });
		return { isEmpty: false };
	}

	/** Writes what is not as it was: mostly the turn alone, and the fewest indexes then. */
	function write(lane: Lane, { turn: _, ...before }: Lane): void {
		const isTurnAlone = Object.entries(before).every(([name, value]) => lane[name as keyof Lane] === value);
		if (isTurnAlone) return void run("UPDATE lane SET turn = ? WHERE id = ?", lane.turn, lane.id);
		run(
			`UPDATE lane SET rank = ?, reserved = ?, turn = ?, due_at = ?, attempts = ?, unreadable = ?, failing_since = ?,
			requests = ?, shown = ?, owed_since = ? WHERE id = ?`,
			lane.rank,
			lane.reserved ? 1 : 0,
			lane.turn,
			lane.dueAt,
			lane.attempts,
			lane.unreadable,
			lane.failingSince ?? null,
			lane.requests,
			lane.shown ?? null,
			lane.owedSince,
			lane.id,
		);
	}

	return {
		end,
		write,

		find(destination: number, person: string): Lane | undefined {
			const row = get("SELECT * FROM lane WHERE destination = ? AND person = ?", destination, person);
			return row && laneOf(row);
		},

		/** No lane waits for a time that a clock set back made far. */
		recover(now: number): void {
			for (const { id = null } of all("SELECT id FROM destination"))
				run(
					"UPDATE lane SET due_at = ?2 WHERE destination = ?1 AND due_at > 0 AND due_at > ?2",
					id,
					now + longestWaitMs,
				);
		},

		/** Adds events to the end of a person's lane, and counts them. */
		owe(destination: number, person: string, { bundle, deliveries, past }: Owed, now: number): void {
			const found = get("SELECT id, rank FROM lane WHERE destination = ? AND person = ?", destination, person);
			const id = found ? Number(found.id) : numbers();
			const rank = bestRank(deliveries);
			if (!found) {
				run(
					`INSERT INTO lane (id, destination, person, rank, reserved, turn, owed_since)
					VALUES (?1, ?2, ?3, ?4, ?5, ?1, ?6)`,
					id,
					destination,
					person,
					rank,
					deliveries[0]?.reserved ? 1 : 0,
					now,
				);
				count(destination, "lanes", 1);
			} else if (rank < Number(found.rank)) run("UPDATE lane SET rank = ? WHERE id = ?", rank, id);
			const packed = packDeliveries(deliveries);
			const { attempts = 0, firstAt = null } = past ?? {};
			run("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", id, bundle, rank, packed, attempts, firstAt);
			count(destination, "owed", deliveries.length);
		},

		/** Bodies of a lane's leading deliveries, so many at most; up to the first that is a request of its own, if that will do. */
		bodies({ id }: Lane, most: number, untilAlone: boolean): string[] {
			const bodies: string[] = [];
			const entries = each(
				`SELECT deliveries, bodies FROM entry JOIN bundle ON bundle.id = entry.bundle
				WHERE lane = ? ORDER BY entry.bundle`,
				id,
			);
			for (const entry of entries) {
				const line = lineReader(entry.bodies);
				for (const { place, alone } of deliveriesOf(entry)) {
					bodies.push(line(place));
					if (bodies.length === most || (alone && untilAlone)) return bodies;
				}
			}
			return bodies;
		},

		/** What a lane owes of one bundle. */
		deliveries({ id }: Lane, bundle: number): Delivery[] {
			const entry = get("SELECT deliveries FROM entry WHERE lane = ? AND bundle = ?", id, bundle);
			return entry ? deliveriesOf(entry) : [];
		},

		/** What a lane owes, in order, bundle by bundle. */
		*owed({ id }: Lane): IterableIterator<{ bundle: number; deliveries: Delivery[] }> {
			for (const entry of each("SELECT bundle, deliveries FROM entry WHERE lane = ? ORDER BY bundle", id))
				yield { bundle: Number(entry.bundle), deliveries: deliveriesOf(entry) };
		},

		/** Deletes a lane and all it owes; returns how many deliveries that were. */
		clear(lane: Lane): number {
			const entries = all("SELECT bundle, deliveries FROM entry WHERE lane = ?", lane.id);
			run("DELETE FROM entry WHERE lane = ?", lane.id);
			for (const { bundle } of entries) bundles.release(Number(bundle));
			const owed = entries.reduce((sum, entry) => sum + deliveriesOf(entry).length, 0);
			count(lane.destination, "owed", -owed);
			remove(lane);
			return owed;
		},

		/** Buries what was fanned out before a time, but for lanes that are under way; some lanes at a time. */
		expire(destination: number, storedBefore: number, now: number, isLeased: (lane: number) => boolean): number {
			const old = all(
				`SELECT * FROM lane WHERE destination = ? AND owed_since < ? ORDER BY owed_since LIMIT ${expireLanes}`,
				destination,
				storedBefore,
			);
			let expired = 0;
			for (const before of old.map(laneOf).filter(({ id }) => !isLeased(id))) {
				const lane = { ...before };
				const entries = all(
					`SELECT deliveries FROM entry JOIN owing ON owing.bundle = entry.bundle
					WHERE lane = ? AND stored_at < ? ORDER BY entry.bundle LIMIT ${lookAhead}`,
					lane.id,
					storedBefore,
				);
				const deliveries = entries.reduce((sum, entry) => sum + deliveriesOf(entry).length, 0);
				if (!end(lane, deliveries, { kind: "dead", reason: "expired" }, now, 0).isEmpty) write(lane, before);
				expired += deliveries;
			}
			return expired;
		},
	};
}
