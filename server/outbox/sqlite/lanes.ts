import type { History } from "../dead-letter.ts";
import { bestRank, type Delivery, packDeliveries } from "../deliveries.ts";
import { type Lane, laneOf } from "../lane.ts";
import type { Base } from "./base.ts";
import { deliveriesOf } from "./entries.ts";

/** Longest wait of a lane. A longer one shows that the clock was set back. */
const longestWaitMs = 900_000;

/** An entry to be added to a lane. */
export interface NewEntry {
	bundle: number;
	deliveries: Delivery[];
	history?: History;
}

export function createLanes({ run, get, all, numbers, count, bundles }: Base) {
	function remove({ id, destination }: Lane): void {
		run("DELETE FROM lane WHERE id = ?", [id]);
		count(destination, "lanes", -1);
	}

	/** Writes a changed lane. Often only the turn has changed, which touches the fewest indexes. */
	function write(lane: Lane, { turn: _, ...before }: Lane): void {
		const isTurnAlone = Object.entries(before).every(([name, value]) => lane[name as keyof Lane] === value);
		if (isTurnAlone) {
			run("UPDATE lane SET turn = ? WHERE id = ?", [lane.turn, lane.id]);
			return;
		}
		const { id, rank, turn, dueAt, attempts, unreadable, requests, owedSince } = lane;
		const [reserved, failingSince, shown] = [lane.reserved ? 1 : 0, lane.failingSince ?? null, lane.shown ?? null];
		run(
			`UPDATE lane SET rank = ?, reserved = ?, turn = ?, due_at = ?, attempts = ?, unreadable = ?, failing_since = ?,
			requests = ?, shown = ?, owed_since = ? WHERE id = ?`,
			[rank, reserved, turn, dueAt, attempts, unreadable, failingSince, requests, shown, owedSince, id],
		);
	}

	return {
		remove,
		write,

		find(destination: number, person: string): Lane | undefined {
			const row = get("SELECT * FROM lane WHERE destination = ? AND person = ?", [destination, person]);
			return row && laneOf(row);
		},

		/** Shortens waits that became too long because the clock was set back. */
		recover(now: number): void {
			const latest = now + longestWaitMs;
			for (const { id = null } of all("SELECT id FROM destination"))
				run("UPDATE lane SET due_at = ?2 WHERE destination = ?1 AND due_at > 0 AND due_at > ?2", [id, latest]);
		},

		/** Adds an entry to the end of a person's lane, which is made if there is none. */
		addEntry(destination: number, person: string, { bundle, deliveries, history }: NewEntry, now: number): void {
			const found = get("SELECT id, rank FROM lane WHERE destination = ? AND person = ?", [destination, person]);
			const id = found ? Number(found.id) : numbers();
			const rank = bestRank(deliveries);
			if (!found) {
				run(
					`INSERT INTO lane (id, destination, person, rank, reserved, turn, owed_since)
					VALUES (?1, ?2, ?3, ?4, ?5, ?1, ?6)`,
					[id, destination, person, rank, deliveries[0]?.reserved ? 1 : 0, now],
				);
				count(destination, "lanes", 1);
			} else if (rank < Number(found.rank)) run("UPDATE lane SET rank = ? WHERE id = ?", [rank, id]);
			const packed = packDeliveries(deliveries);
			const { attempts = 0, firstAt = null } = history ?? {};
			run("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", [id, bundle, rank, packed, attempts, firstAt]);
			count(destination, "owed", deliveries.length);
		},

		/** Deletes a lane with its entries; returns the number of deliveries. */
		clear(lane: Lane): number {
			const entries = all("SELECT bundle, deliveries FROM entry WHERE lane = ?", [lane.id]);
			run("DELETE FROM entry WHERE lane = ?", [lane.id]);
			for (const { bundle } of entries) bundles.release(Number(bundle));
			const owed = entries.reduce((sum, entry) => sum + deliveriesOf(entry).length, 0);
			count(lane.destination, "owed", -owed);
			remove(lane);
			return owed;
		},
	};
}
