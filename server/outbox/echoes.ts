import type { Claim, NewEvent } from "./batch.ts";
import { type JournalRow, sealBatch } from "./journal-row.ts";
import type { Report } from "./report.ts";

/** The claims of a store. */
interface Held {
	isHeld(person: string, claim: Claim): boolean;
	mark(person: string, claim: Claim): void;
}

/**
 * Separates the events of a report from echoes, events that the provider reports only because it was sent them. Marks
 * claims for the events. Returns the batch to append, unless it is empty, and the reason of each echo.
 */
export function withoutEchoes(
	{ site, events, skipped }: Report,
	{ isHeld, mark }: Held,
): { batch: JournalRow | undefined; echoes: string[] } {
	const taken: NewEvent[] = [];
	const echoes: string[] = [];
	for (const { event, unless, marks } of events) {
		const held = unless.find((claim) => isHeld(event.person, claim));
		if (held) {
			echoes.push(held.reason);
			continue;
		}
		for (const claim of marks) mark(event.person, claim);
		taken.push(event);
	}
	const isEmpty = taken.length + (skipped?.length ?? 0) === 0;
	return { batch: isEmpty ? undefined : sealBatch({ site, events: taken, ...(skipped && { skipped }) }), echoes };
}
