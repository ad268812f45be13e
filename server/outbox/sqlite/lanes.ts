import type { History } from "../dead-letter.ts";
import { bestRank, type Delivery, packDeliveries, sizeToCount } from "../deliveries.ts";
import { type Lane, laneOf } from "../lane.ts";
import { awaitingShown, lookAhead, untrustedMost } from "../limits.ts";
import type { Base } from "./base.ts";
import { deliveriesOf } from "./entries.ts";
import type { Row } from "./statements.ts";

/** Longest wait of a lane. A longer one shows that the clock was set back. */
const longestWaitMs = 900_000;

/** Number of entries from which the deliveries of a lane are counted apart, and remembered. */
const fewEntries = 8;
/** Maximum number of lanes whose deliveries are remembered as counted. */
const lanesCounted = 1_000;

/** SQL that reads the lanes of a person for `addEntry`. A constant, since a text put together anew is hashed anew. */
const ofPersonSql = `SELECT id, destination, trusted, reserved, rank, shown,
	(SELECT iif(count(*) < ${fewEntries}, sum(length(deliveries)), NULL) FROM
		(SELECT deliveries FROM entry WHERE entry.lane = lane.id LIMIT ${fewEntries})) AS bytes
	FROM lane WHERE person = ?`;

/** An entry to be added to a lane. */
export interface NewEntry {
	bundle: number;
	deliveries: readonly Delivery[];
	history?: History;
}

export function createLanes({ run, get, all, numbers, count, bundles }: Base) {
	/** Deletes a lane; returns true if another one of the person comes next. */
	function remove({ id, destination, person, trusted }: Lane): boolean {
		run("DELETE FROM lane WHERE id = ?", [id]);
		count(destination, "lanes", -1);
		return trusted && arrange(destination, person);
	}

	/** Lets a person's lanes at a destination wait for those of events with more trust; returns true if there are any. */
	function arrange(destination: number, person: string): boolean {
		const { changes } = run(
			`UPDATE lane SET behind = EXISTS (SELECT 1 FROM lane AS better
				WHERE better.person = lane.person AND better.destination = lane.destination
				AND better.trusted + better.reserved > lane.trusted + lane.reserved)
			WHERE person = ? AND destination = ?`,
			[person, destination],
		);
		return Number(changes) > 0;
	}

	/** Makes lanes of a person ready that wait for an event worth a profile. */
	function endAwaiting(destination: number, person: string): void {
		run(
			`UPDATE lane SET shown = ${lookAhead}, due_at = 0 WHERE person = ? AND destination = ? AND shown = ${awaitingShown}`,
			[person, destination],
		);
	}

	/** Upper bounds of the deliveries of lanes with many entries: what a lane owed when counted, and was added since. */
	const owedMost = new Map<number, number>();

	/** Returns an upper bound of the deliveries that a lane owes, which are counted if the bound is above a limit. */
	function owedAtMost({ id, bytes }: Row, limit: number): number {
		if (bytes !== null || limit === Number.POSITIVE_INFINITY) return sizeToCount(Number(bytes));
		const lane = Number(id);
		const most = owedMost.get(lane);
		if (most !== undefined && most <= limit) return most;
		if (owedMost.size >= lanesCounted) owedMost.clear();
		const counted = get("SELECT sum(length(deliveries)) AS bytes FROM entry WHERE lane = ?", [lane]);
		const owed = sizeToCount(Number(counted?.bytes));
		owedMost.set(lane, owed);
		return owed;
	}

	let lastPacked: { deliveries: readonly Delivery[]; packed: Uint8Array } | undefined;

	/** Packs deliveries; those of a bundle are often the same list at each of its destinations. */
	function pack(deliveries: readonly Delivery[]): Uint8Array {
		if (lastPacked?.deliveries !== deliveries) lastPacked = { deliveries, packed: packDeliveries(deliveries) };
		return lastPacked.packed;
	}

	/** Writes a changed lane. Often only the turn has changed, which touches the fewest indexes. */
	function write(lane: Lane, before: Lane): void {
		const isSame = (name: string) => name === "turn" || lane[name as keyof Lane] === before[name as keyof Lane];
		if (Object.keys(before).every(isSame)) {
			run("UPDATE lane SET turn = ? WHERE id = ?", [lane.turn, lane.id]);
			return;
		}
		const { id, rank, turn, dueAt, attempts, unreadable, requests, owedSince } = lane;
		const [failingSince, shown] = [lane.failingSince ?? null, lane.shown ?? null];
		run(
			`UPDATE lane SET rank = ?, turn = ?, due_at = ?, attempts = ?, unreadable = ?, failing_since = ?,
			requests = ?, shown = ?, owed_since = ? WHERE id = ?`,
			[rank, turn, dueAt, attempts, unreadable, failingSince, requests, shown, owedSince, id],
		);
	}

	return {
		remove,
		write,

		/** Finds a person's lanes at a destination, in the order in which they are served. */
		find: (destination: number, person: string): Lane[] =>
			all("SELECT * FROM lane WHERE person = ? AND destination = ? ORDER BY trusted DESC, reserved DESC", [
				person,
				destination,
			]).map(laneOf),

		/** Shortens waits that became too long because the clock was set back. */
		recover(now: number): void {
			const latest = now + longestWaitMs;
			for (const { id = null } of all("SELECT id FROM destination"))
				run("UPDATE lane SET due_at = ?2 WHERE destination = ?1 AND due_at > 0 AND due_at > ?2", [id, latest]);
		},

		/** Reads what `addEntry` needs of all lanes of a person; `bytes` are null in a lane with many entries. */
		ofPerson: (person: string): Row[] => all(ofPersonSql, [person]),

		/**
		 * Adds an entry to the end of a person's lane of the same trust, which is made if there is none. Returns the
		 * deliveries left out: the last ones, once the lane owes `most`. A lane that waits for an event worth a profile owes
		 * at most as many as an untrusted one, and takes such an event nevertheless.
		 */
		addEntry(
			destination: number,
			{ person, lanes }: { person: string; lanes: Row[] },
			{ bundle, deliveries: wanted, history }: NewEntry,
			now: number,
			most = Number.POSITIVE_INFINITY,
		): readonly Delivery[] {
			const first = wanted[0];
			if (!first) return [];
			// Guard (SECURITY.md): lane-of-trust
			const [trusted, reserved] = [first.trusted ? 1 : 0, first.reserved ? 1 : 0];
			const found = lanes.find(
				(lane) => lane.destination === destination && lane.trusted === trusted && lane.reserved === reserved,
			);
			const id = found ? Number(found.id) : numbers();
			const isAwaiting = found?.shown === awaitingShown;
			const limit = isAwaiting ? Math.min(most, untrustedMost) : most;
			const room = limit - (found ? owedAtMost(found, limit - wanted.length) : 0);
			const fits = ({ earns }: Delivery, index: number) => index < room || (isAwaiting && earns);
			const deliveries = wanted.length > room ? wanted.filter(fits) : wanted;
			if (deliveries.length === 0) return wanted;
			const rank = bestRank(deliveries);
			if (!found) {
				run(
					`INSERT INTO lane (id, destination, person, rank, trusted, reserved, turn, owed_since)
					VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?1, ?7)`,
					[id, destination, person, rank, trusted, reserved, now],
				);
				count(destination, "lanes", 1);
				if (lanes.some((lane) => lane.destination === destination)) arrange(destination, person);
			} else if (rank < Number(found.rank)) run("UPDATE lane SET rank = ? WHERE id = ?", [rank, id]);
			const counted = owedMost.get(id);
			if (counted !== undefined) owedMost.set(id, counted + deliveries.length);
			const packed = pack(deliveries);
			const { attempts = 0, firstAt = null } = history ?? {};
			run("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", [id, bundle, rank, packed, attempts, firstAt]);
			count(destination, "owed", deliveries.length);
			if (history || deliveries.some(({ earns }) => earns)) endAwaiting(destination, person);
			return deliveries === wanted ? [] : wanted.filter((each, index) => !fits(each, index));
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
