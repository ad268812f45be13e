import { bodiesStart, type JournalRow } from "../journal-row.ts";
import { optionalNumber } from "../row.ts";
import type { Base } from "./base.ts";
import type { Row } from "./statements.ts";

export function createJournal({ run, get, transactions: { onRollback }, numbers, bundles, room }: Base) {
	/** Number of batches to fan out; infinite until fan-out has found none: counting would delay the start. */
	let waiting = Number.POSITIVE_INFINITY;
	function changeWaiting(by: number): void {
		const before = waiting;
		waiting += by;
		onRollback(() => {
			waiting = before;
		});
	}

	/** Ids of the newest row that was set aside before this opening, and of the newest one tried again since. */
	const lastSetAside = optionalNumber(get("SELECT max(id) AS id FROM journal WHERE stuck IS NOT NULL")?.id) ?? -1;
	let lastRetried = -1;

	return {
		/** Stores a batch. One that is not trusted finds less room. */
		append(row: JournalRow, isTrusted: boolean): void {
			const { site, head, bytes, bundles: own } = row;
			room.ensureRoom(bytes.length, isTrusted);
			const id = numbers(Math.max(1, own.length));
			let start = bodiesStart(row);
			// Node before 24.15 and 25.9 can bind an empty array as NULL, as its data pointer is null:
			// https://www.sqlite.org/c3ref/bind_blob.html
			run("INSERT INTO journal (id, head, keys) VALUES (?, ?, coalesce(?, x''))", [id, head, bytes.subarray(0, start)]);
			for (const [index, { person, events, bytes: size }] of own.entries()) {
				bundles.add({ id: id + index, site, person, events, bodies: bytes.subarray(start, start + size) });
				start += size;
			}
			changeWaiting(1);
		},

		waiting: () => waiting,

		/** Finds the row to fan out next: the oldest, then the oldest set aside that was not tried since the opening. */
		next(): Row | undefined {
			const row =
				get("SELECT id, head, keys, stuck FROM journal WHERE stuck IS NULL ORDER BY id LIMIT 1") ??
				get(
					"SELECT id, head, keys, stuck FROM journal WHERE stuck IS NOT NULL AND id > ? AND id <= ? ORDER BY id LIMIT 1",
					[lastRetried, lastSetAside],
				);
			if (!row) waiting = 0;
			return row;
		},

		/** Moves on to the row after this one, which is being fanned out or set aside. */
		moveOn({ id = null, stuck }: Row): void {
			if (stuck === null) {
				changeWaiting(-1);
				return;
			}
			const before = lastRetried;
			lastRetried = Number(id);
			onRollback(() => {
				lastRetried = before;
			});
		},
	};
}
