import { bodiesStart, type JournalRow } from "../journal-row.ts";
import type { Base } from "./base.ts";
import type { Row } from "./statements.ts";

export function createJournal({ run, get, all, transactions: { onRollback }, numbers, bundles, room }: Base) {
	/** Number of batches to fan out; infinite until fan-out has found none: counting would delay the start. */
	let waiting = Number.POSITIVE_INFINITY;
	function changeWaiting(by: number): void {
		const before = waiting;
		waiting += by;
		onRollback(() => {
			waiting = before;
		});
	}

	/** Ids of batches set aside that are tried again, in order: those of an earlier opening, then those chosen since. */
	let toRetry = all("SELECT id FROM journal WHERE stuck IS NOT NULL ORDER BY id").map(({ id }) => Number(id));
	function changeToRetry(ids: number[]): void {
		const before = toRetry;
		toRetry = ids;
		onRollback(() => {
			toRetry = before;
		});
	}

	/** Finds the next row that was set aside and is tried again. Skips rows that were discarded meanwhile. */
	function nextToRetry(): Row | undefined {
		for (const [place, id] of toRetry.entries()) {
			const row = get("SELECT id, head, keys, stuck FROM journal WHERE id = ? AND stuck IS NOT NULL", [id]);
			if (row && place > 0) changeToRetry(toRetry.slice(place));
			if (row) return row;
		}
		if (toRetry.length > 0) changeToRetry([]);
		return undefined;
	}

	return {
		/** Stores a batch. One that is not trusted finds less room. */
		append(row: JournalRow, isTrusted: boolean): void {
			const { site, head, bytes, bundles: own } = row;
			room.ensureRoom(bytes.length, isTrusted);
			const id = numbers(Math.max(1, own.length));
			let start = bodiesStart(row);
			// Node before 24.15 and 25.9 can bind an empty array as NULL, as its data pointer is null:
			// https://www.sqlite.org/c3ref/bind_blob.html
			run("INSERT INTO journal (id, head, keys, stored_at) VALUES (?, ?, coalesce(?, x''), ?)", [
				id,
				head,
				bytes.subarray(0, start),
				Date.now(),
			]);
			for (const [index, { person, events, bytes: size }] of own.entries()) {
				bundles.add({ id: id + index, site, person, events, bodies: bytes.subarray(start, start + size) });
				start += size;
			}
			changeWaiting(1);
		},

		waiting: () => waiting,

		/** Finds the row to fan out next: the oldest, then the next one set aside that is tried again. */
		next(): Row | undefined {
			const row =
				get("SELECT id, head, keys, stuck FROM journal WHERE stuck IS NULL ORDER BY id LIMIT 1") ?? nextToRetry();
			if (!row) waiting = 0;
			return row;
		},

		/** Lets batches that were set aside be tried again. */
		retry(ids: readonly number[]): void {
			const added = ids.filter((id) => !toRetry.includes(id));
			changeToRetry([...toRetry, ...added]);
			changeWaiting(added.length);
		},

		/** Moves on to the row after this one, which is being fanned out or set aside. */
		moveOn({ stuck }: Row): void {
			changeWaiting(-1);
			if (stuck !== null) changeToRetry(toRetry.slice(1));
		},
	};
}
