import type { Batch, Claim, NewEvent } from "./batch.ts";
import { type JournalRow, sealBatch } from "./journal-row.ts";

/** Destination of the links from userIds, each as a person's key, to the same people by e-mail. No account has this name. */
export const userIdLinks = "user ids";

/** Maps a destination's alias of a person, such as a chat session, to the person's key. */
export interface Link {
	destination: string;
	alias: string;
	/** Key of the person. */
	person: string;
}

/** Counts the characters of links, about the bytes that they add to a store. */
export const linkBytes = (links: readonly Link[]): number =>
	links.reduce((sum, { alias, person }) => sum + alias.length + person.length, 0);

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
	/** People whose `known` and links at a destination are deleted; their deliveries stay. */
	unlearn: { destination: string; person: string }[];
	now: number;
}

/** An event of a report, to be appended unless it is the echo of an event that was sent to the provider. */
export interface ReportedEvent {
	event: NewEvent;
	/** Claims that make the event an echo if one of them is taken; it is counted under the reason of that claim. */
	unless: Claim[];
	/** Claims to set for the event, even if they are taken. */
	marks: Claim[];
}

interface Claims {
	isTaken(person: string, claim: Claim): boolean;
	set(person: string, claim: Claim): void;
}

/**
 * Drops the echoes of a report: events that the provider reports only because we sent them. Sets the `marks` of the
 * other events. Returns the batch to append, unless it is empty, and the reason of each echo.
 */
export function withoutEchoes(
	{ site, events, skipped }: Report,
	{ isTaken, set }: Claims,
): { batch: JournalRow | undefined; echoes: string[] } {
	const kept: NewEvent[] = [];
	const echoes: string[] = [];
	for (const { event, unless, marks } of events) {
		const taken = unless.find((claim) => isTaken(event.person, claim));
		if (taken) {
			echoes.push(taken.reason);
			continue;
		}
		for (const claim of marks) set(event.person, claim);
		kept.push(event);
	}
	const isEmpty = kept.length + (skipped?.length ?? 0) === 0;
	return { batch: isEmpty ? undefined : sealBatch({ site, events: kept, ...(skipped && { skipped }) }), echoes };
}
