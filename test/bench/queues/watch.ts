import { setImmediate as turn } from "node:timers/promises";
import type { Deliver, Job } from "./queue.ts";

/** Counts of a queue's deliveries. */
export interface Tally {
	/** Events delivered, each counted once. */
	delivered: number;
	/** Deliveries of an event that had been delivered before. */
	doubles: number;
	/** Deliveries before, or during, the delivery of an earlier event of the same person. */
	outOfOrder: number;
}

/** Creates a receiver that takes one turn of the event loop per event and counts deliveries. */
export function createWatch(): { tally: Tally; deliver: Deliver } {
	const tally: Tally = { delivered: 0, doubles: 0, outOfOrder: 0 };
	const people = new Map<string, { next: number; underWay: number; ahead: Set<number> }>();
	async function deliver({ person, n }: Job): Promise<void> {
		const known = people.get(person) ?? { next: 0, underWay: 0, ahead: new Set() };
		people.set(person, known);
		const isDouble = n < known.next || known.ahead.has(n);
		if (isDouble) tally.doubles += 1;
		else {
			tally.delivered += 1;
			if (n > known.next || known.underWay > 0) tally.outOfOrder += 1;
			known.ahead.add(n);
			while (known.ahead.delete(known.next)) known.next += 1;
		}
		known.underWay += 1;
		await turn();
		known.underWay -= 1;
	}
	return { tally, deliver };
}
