import type { Batch } from "./batch.ts";
import type { Advance, AdvanceRequest, BudgetUse } from "./budget-window.ts";
import type { DeadLetterPage, DeadLetterQuery, DeadLetterSelection } from "./dead-letter.ts";
import type { Destination, HoldChange } from "./destination.ts";
import type { JournalRow } from "./journal-row.ts";
import type { Lease, Settlement, Taken, TakeRequest } from "./lease.ts";
import type { Report } from "./report.ts";
import type { FoundEvents, OwedDelivery, OwedQuery } from "./search.ts";
import type { OutboxStats } from "./tally.ts";

export type { Batch, Claim, NewEvent } from "./batch.ts";
export { type AdvanceRequest, type BudgetLimits, budgetSlotMs, budgetUseKeptMs } from "./budget-window.ts";
export type { DeadLetter, DeadLetterSelection } from "./dead-letter.ts";
export type { Destination } from "./destination.ts";
export { StoreOpenError, StoreUnavailableError } from "./errors.ts";
export type { Ending, Lease, Settlement, TakeRequest } from "./lease.ts";
export type { Link, Report, ReportedEvent } from "./report.ts";
export type { OwedDelivery } from "./search.ts";
export type { DestinationStats, OutboxStats } from "./tally.ts";

/**
 * What is on disk: the journal, the lanes, what is known of people, and dead letters.
 * Everything is asynchronous, so that a thread or a database fits behind it. The states of a lane
 * and of a delivery are in ARCHITECTURE.md. Times are ms since the epoch; but for those of fan-out and replays, which
 * the store does when it can, they come from the caller.
 */
export interface Outbox {
	/** Resolves once the batch is durable. Rejects with {@link StoreUnavailableError}, and then nothing of it was stored. */
	append(batch: Batch | JournalRow): Promise<void>;
	/**
	 * Leases up to `lanes` ready lanes of a destination: those of the best rank first, in a rank the least
	 * recently served; every tenth lease goes to the lane that has waited longest for its turn.
	 */
	take(request: TakeRequest): Promise<Taken>;
	/**
	 * Replaces what holds a destination, if it still is what was known of it; resolves to whether it was, and to what
	 * holds it now. Durable.
	 */
	hold(change: HoldChange): Promise<{ changed: boolean; hold: string | undefined }>;
	/** Takes up to `want` requests from a destination's budget, for good: durable before it resolves. */
	advance(request: AdvanceRequest): Promise<Advance>;
	/** Makes dead letters, reason `expired`, of what was fanned out before `before` and is not leased; resolves to how many. */
	expire(request: { destination: Destination; before: number; now: number }): Promise<number>;
	/**
	 * Takes in what a provider reports, once, in one step: durable before it resolves. Resolves to false where its
	 * claim is held, and then nothing was changed.
	 */
	receive(report: Report): Promise<boolean>;
	/** Whom a destination's own name for a person means, where a report or a settlement told. */
	linked(request: { destination: Destination; alias: string; now: number }): Promise<string | undefined>;
	/**
	 * Whether a request may still be begun for a lease: not where so much time has passed, or so much gone wrong, since
	 * it was taken that another may have the lane by now.
	 */
	isHeld(lease: Lease): boolean;
	/** Whether others may deliver from the same store, and hold a destination meanwhile. */
	readonly isShared: boolean;
	/** Says what became of a lease. Resolves to false, and changes nothing, when the lease had been lost to another. */
	settle(settlement: Settlement): Promise<boolean>;
	/** Calls `listener` when something goes on failing behind the interface, as fan-out on a full disk. */
	onFault(listener: (message: string) => void): () => void;
	/** Calls `listener` when lanes may have become ready; returns the way to stop listening. */
	onReady(listener: () => void): () => void;
	/** Calls `listener` with events that fan-out has just discarded, the last 100 of a transaction at most; for people to look at. */
	onDiscarded(listener: (discarded: Discarded[]) => void): () => void;
	deadLetters(query: DeadLetterQuery): Promise<DeadLetterPage>;
	/**
	 * Makes the selected dead letters owed again, each as the last of its lane; resolves to how many. In
	 * steps, so that thousands neither fill the memory nor stall what else the store does; `onProgress` is
	 * told how many so far. Those that die meanwhile are not touched.
	 */
	replay(selection: DeadLetterSelection, onProgress?: (done: number) => void): Promise<number>;
	/** Deletes dead letters; resolves to how many. In steps, as `replay`. */
	discard(selection: DeadLetterSelection, onProgress?: (done: number) => void): Promise<number>;
	/**
	 * Deletes all that is kept of people of a site, in one step: what they are owed (batches that are not fanned
	 * out yet too), dead letters, what is known of them, links to them, claims of their own. A lease of theirs settles nothing any
	 * more. The other claims of their events stay, as hashes, so that a copy that is still on its way is not taken anew.
	 * Resolves to what there was, by destination.
	 */
	forget(request: ForgetRequest): Promise<Forgotten[]>;
	/** What people are owed, lane by lane in order. */
	findOwed(query: OwedQuery): Promise<OwedDelivery[]>;
	/**
	 * One step of a search through the events that are owed, from the latest back: those whose body holds a text.
	 * A step looks at some hundred events, so that it stalls nothing; it may find none and yet have a `cursor`.
	 */
	findEvents(query: { text: string; cursor?: string | undefined }): Promise<FoundEvents>;
	stats(): Promise<OutboxStats>;
	/** Requests that were taken from budgets since a time, by slots of {@link budgetSlotMs}; kept for {@link budgetUseKeptMs}. */
	budgetUse(query: { since: number }): Promise<BudgetUse[]>;
	/**
	 * Deletes what has outlived its use: claims that ended, dead letters last tried, people last heard of and links
	 * last used before `before`. In steps, as `replay`.
	 */
	sweep(limits: { now: number; before: number }): Promise<void>;
	/** Resolves when the store can be written, else rejects with {@link StoreUnavailableError}. */
	check(): Promise<void>;
	close(): Promise<void>;
}

export interface ForgetRequest {
	site: string;
	/** Their keys. */
	people: string[];
}

/** What a destination owed people who were forgotten, and what was known of them there. */
export interface Forgotten {
	destination: string;
	/** Deliveries; counted as discarded, for {@link forgottenReason}. */
	owed: number;
	/** Dead letters. */
	dead: number;
	/** As the provider wrote it, one for each of the people who was known. */
	known: string[];
}

/** An event that a claim has kept out of all lanes. */
export interface Discarded {
	site: string;
	person: string;
	body: string;
	/** The claim's. */
	reason: string;
}

/** What a delivery that was owed to somebody who is forgotten is counted as. */
export const forgottenReason = "forgotten";
