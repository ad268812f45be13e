import { bodiesStart, type JournalRow } from "../journal-row.ts";
import type { Shared } from "./shared.ts";

export type Journal = ReturnType<typeof createJournal>;

/** The batches that are not fanned out yet. `ensureRoom` throws where there is none for so many bytes more. */
export function createJournal({
	statements: { run },
	transactions: { onRollback },
	numbers,
	bundles,
	ensureRoom,
}: Shared & { ensureRoom(bytes: number): void }) {
	/** Rows that are not fanned out: not known before none was found, as counting them would delay the start. */
	let waiting = Number.POSITIVE_INFINITY;
	function changeWaiting(by: number): void {
		const before = waiting;
		waiting += by;
		onRollback(() => {
			waiting = before;
		});
	}

	return {
		append(row: JournalRow): void {
			const { site, head, bytes, bundles: own } = row;
			ensureRoom(bytes.length);
			const id = numbers(Math.max(1, own.length));
			let start = bodiesStart(row);
			run("INSERT INTO journal (id, head, keys) VALUES (?, ?, ?)", id, head, bytes.subarray(0, start));
			for (const [index, { person, events, bytes: size }] of own.entries()) {
				bundles.add({ id: id + index, site, person, events, bodies: bytes.subarray(start, start + size) });
				start += size;
			}
			changeWaiting(1);
		},

		/** Batches that are not fanned out; infinite where that is not known. */
		waiting: () => waiting,
		changeWaiting,
		/** Remembers that there is no batch that is not fanned out. */
		foundEmpty(): void {
			waiting = 0;
		},
	};
}
