import type { Batch, Claim, NewEvent } from "./batch.ts";

/** A destination's own name for a person, as that of a session or of a profile. */
export interface Link {
	destination: string;
	alias: string;
	/** The person's key. */
	person: string;
}

/** What a provider reports of people, and what follows from it. */
export interface Report {
	site: string;
	/** What tells a report that is repeated. */
	claim: Claim;
	events: ReportedEvent[];
	/** As a batch's. */
	skipped?: Batch["skipped"];
	/** A later one of the same alias takes its place. */
	links: Link[];
	/** People of whom nothing that is known at a destination, nor any link there, holds any more; what they are owed stays. */
	unlearn: { destination: string; person: string }[];
	now: number;
}

/** An event that follows from a report, appended as a batch's are, unless it is the echo of one that was sent there. */
export interface ReportedEvent {
	event: NewEvent;
	/** Where one of these is held it is dropped, and counted under that claim's reason. */
	unless: Claim[];
	/** Held from now on, whether they were held or not. */
	marks: Claim[];
}
