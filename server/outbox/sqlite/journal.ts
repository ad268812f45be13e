import { bodiesStart, type JournalRow } from "../journal-row.ts";
import type { Room } from "./room.ts";
import type { Shared } from "./shared.ts";

export type Journal = ReturnType<typeof createJournal>;

/** Makes the journal. */
export function createJournal(
	{ statements: { run }, transactions: { onRollback }, numbers, bundles }: Shared,
	{ ensureRoom }: Room,
) {
	/** Number of batches not fanned out; infinite until the journal was found empty: counting would delay the start. */
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

		/** Returns the number of batches not fanned out; infinite while it is unknown. */
		waiting: () => waiting,
		changeWaiting,
		/** Notes that the journal is empty. */
		foundEmpty(): void {
			waiting = 0;
		},
	};
}
