import type { Batch, Claim, NewEvent } from "./batch.ts";
import { type JournalRow, sealBatch } from "./journal-row.ts";

/** Maps a destination's alias of a person, such as a chat session, to the person's key. */
export interface Link {
	destination: string;
	alias: string;
	/** Key of the person. */
	person: string;
}

/** A provider's report about people, and the changes that follow from it. */
export interface Report {
	site: string;
	/** Claim by which a repeated report is recognised. */
	claim: Claim;
	events: ReportedEvent[];
	/** Deliveries to count as discarded, as in a batch. */
	skipped?: Batch["skipped"];
	/** Links to store; each replaces the link of the same alias. */
	links: Link[];
	/** People whose notes and links at a destination are deleted; their deliveries stay. */
	unlearn: { destination: string; person: string }[];
	now: number;
}

/** An event of a report, to be appended unless it is the echo of an event that was sent to the provider. */
export interface ReportedEvent {
	event: NewEvent;
	/** Claims that each drop the event while held; it is counted under the reason of that claim. */
	unless: Claim[];
	/** Claims to hold from now on, even if they are held already. */
	marks: Claim[];
}

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
