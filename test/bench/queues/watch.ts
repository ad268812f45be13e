import { setImmediate as turn } from "node:timers/promises";
import type { Deliver, Job } from "./queue.ts";

/** What a queue did with the events it was given. */
export interface Seen {
	delivered: number;
	/** Deliveries of an event that had been delivered. */
	doubles: number;
	/** Deliveries that came before an earlier event of the same person, or while one was under way. */
	outOfOrder: number;
}

/** A receiver that does nothing, but takes a turn of the event loop for it, and notes who came when. */
export function createWatch(): { seen: Seen; deliver: Deliver } {
	const seen: Seen = { delivered: 0, doubles: 0, outOfOrder: 0 };
	const people = new Map<string, { next: number; underWay: number; ahead: Set<number> }>();
	async function deliver({ person, n }: Job): Promise<void> {
		const known = people.get(person) ?? { next: 0, underWay: 0, ahead: new Set() };
		people.set(person, known);
		const isDouble = n < known.next || known.ahead.has(n);
		if (isDouble) seen.doubles += 1;
		else {
			seen.delivered += 1;
			if (n > known.next || known.underWay > 0) seen.outOfOrder += 1;
			known.ahead.add(n);
			while (known.ahead.delete(known.next)) known.next += 1;
		}
		known.underWay += 1;
		await turn();
		known.underWay -= 1;
	}
	return { seen, deliver };
}
