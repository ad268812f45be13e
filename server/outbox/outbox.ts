import type { Batch } from "./batch.ts";
import type { Advance, AdvanceRequest, BudgetUse } from "./budget-window.ts";
import type { DeadLetterPage, DeadLetterQuery, DeadLetterSelection } from "./dead-letter.ts";
import type { Destination, HoldChange } from "./destination.ts";
import type { JournalRow } from "./journal-row.ts";
import type { ExpireRequest, Lease, Settled, Settlement, Taken, TakeRequest } from "./lease.ts";
import type { Link, Report } from "./report.ts";
import type { SetAsidePage, SetAsideQuery, SetAsideSelection } from "./set-aside.ts";
import type { OutboxStats } from "./tally.ts";

export type { Batch, Claim, NewEvent } from "./batch.ts";
export { type AdvanceRequest, type BudgetLimits, budgetSlotMs, budgetUseKeptMs } from "./budget-window.ts";
export type { DeadLetter, DeadLetterSelection } from "./dead-letter.ts";
export type { Destination } from "./destination.ts";
export { StoreOpenError, StoreUnavailableError } from "./errors.ts";
export type { Ending, Lease, Settled, Settlement, TakeRequest } from "./lease.ts";
export { type Report, type ReportedEvent, userIdLinks } from "./report.ts";
export type { SetAsideBatch } from "./set-aside.ts";
export type { DestinationStats, OutboxStats } from "./tally.ts";

/**
 * Everything on disk: the journal, the lanes, what providers know of people, budgets, and dead letters. All methods are
 * asynchronous, as a thread or a database is behind them. Times are ms since the epoch, by the caller's clock except
 * in fan-out and replays. ARCHITECTURE.md has the states of a lane and of a delivery.
 */
export interface Outbox {
	/** Returns the time by the clock of all processes that share the store; absent if only this process has it. */
	now?(): number;
	/**
	 * Stores a batch; resolves once it is durable. Rejects with {@link StoreUnavailableError}, whose code is
	 * `outcome_unknown` if the batch may be stored. The last fifth of a limited store is for trusted batches and reports.
	 */
	append(batch: Batch | JournalRow): Promise<void>;
	/**
	 * Leases ready lanes of a destination, by rank, and within a rank the least recently served first. Every tenth lease
	 * goes to the lane that has waited longest, regardless of rank. Leases one lane of a person at a time, and none while
	 * the person has one of events with more trust.
	 */
	take(request: TakeRequest): Promise<Taken>;
	/** Changes the hold of a destination from `from` to `to` if it is `from` (compare and swap). Durable. */
	hold(change: HoldChange): Promise<{ changed: boolean; hold: string | undefined }>;
	/** Reads the hold of a destination. */
	holdOf(destination: Destination): Promise<string | undefined>;
	/** Takes requests from a budget; they cannot be given back. Durable before it resolves. */
	advance(request: AdvanceRequest): Promise<Advance>;
	/**
	 * Ends old deliveries that are not leased, as dead letters; resolves to their number. Tells the listeners of `onReady`,
	 * as another lane of a person may come next.
	 */
	expire(request: ExpireRequest): Promise<number>;
	/** Stores a report in one step, durable before it resolves. Resolves to false, with nothing stored, for a repeat. */
	receive(report: Report): Promise<boolean>;
	/** Finds the people of a destination's aliases, as far as these are linked; resolves to their keys by alias. */
	linked(request: LinkedRequest): Promise<Map<string, string>>;
	/** Stores links of a site, each in place of the link of the same alias. Durable before it resolves. */
	link(request: LinkRequest): Promise<void>;
	/** Returns false once another process may have taken the lane over, so that no request may be sent for it. */
	isHeld(lease: Lease): boolean;
	/** True for a store from which other processes may deliver as well. */
	readonly isShared: boolean;
	/** Records the outcome of a lease. Resolves to the state of its lane. */
	settle(settlement: Settlement): Promise<Settled>;
	/** Calls `listener` with failures behind the interface, as on a full disk; returns a function that removes it. */
	onFault(listener: (message: string) => void): () => void;
	/** Calls `listener` when lanes may have become ready; returns a function that removes it. */
	onReady(listener: () => void): () => void;
	/** Calls `listener` with up to 100 events that a fan-out discarded; returns a function that removes it. */
	onDiscarded(listener: (discarded: Discarded[]) => void): () => void;
	deadLetters(query: DeadLetterQuery): Promise<DeadLetterPage>;
	/**
	 * Puts the selected dead letters at the ends of their lanes again; resolves to their number. Works in steps, so that
	 * thousands do not stall other work, and calls `onProgress` with the number so far. Skips dead letters added meanwhile.
	 */
	replay(selection: DeadLetterSelection, onProgress?: (done: number) => void): Promise<number>;
	/** Deletes the selected dead letters, in steps like `replay`; resolves to their number. */
	discard(selection: DeadLetterSelection, onProgress?: (done: number) => void): Promise<number>;
	/** Lists the batches that were set aside because they could not be fanned out. */
	listSetAside(query: SetAsideQuery): Promise<SetAsidePage>;
	/** Puts batches that were set aside back into fan-out, where their events are the last of their lanes; resolves to their number. */
	retrySetAside(selection: SetAsideSelection): Promise<number>;
	/** Deletes batches that were set aside, and counts their events as discarded; resolves to the number of batches. */
	discardSetAside(selection: SetAsideSelection): Promise<number>;
	/**
	 * Deletes the data of people of a site: their events not fanned out, deliveries, dead letters, `known`, links to them
	 * and of their userIds, and own claims. All is out of use in one step, and gone when this resolves. Leases of theirs become void. Claims on event
	 * ids stay, as hashes, so that a late copy of an event is still discarded. Resolves to a summary for each destination.
	 */
	forget(request: ForgetRequest): Promise<Forgotten[]>;
	/** Finds the deliveries owed to people, for each person and destination in the order in which they go. */
	findOwed(query: OwedQuery): Promise<OwedDelivery[]>;
	/**
	 * Does one step of a search for events that are owed and contain a text, from the latest back. A step reads some
	 * hundred events, so that it does not stall other work. It may find none and still have a `cursor`.
	 */
	findEvents(query: { text: string; cursor?: string | undefined }): Promise<FoundEvents>;
	stats(): Promise<OutboxStats>;
	/** Lists the requests taken from budgets since a time, at most {@link budgetUseKeptMs} ago, by slots. */
	budgetUse(query: { since: number }): Promise<BudgetUse[]>;
	/**
	 * Sweeps the store: deletes claims expired at `now`, dead letters last tried before `before`, and rows of `known` and
	 * links last used before `before`. Works in steps like `replay`.
	 */
	sweep(limits: { now: number; before: number }): Promise<void>;
	/**
	 * Resolves if the store can be written and has room for trusted events; otherwise rejects with
	 * {@link StoreUnavailableError}. `isFull` is true if it has no room for untrusted ones.
	 */
	check(): Promise<{ isFull: boolean }>;
	close(): Promise<void>;
}

export interface LinkedRequest {
	destination: Destination;
	aliases: readonly string[];
	now: number;
}

export interface LinkRequest {
	site: string;
	/** At most one link of each alias. */
	links: readonly Link[];
	now: number;
}

export interface OwedQuery {
	destinations: Destination[];
	/** Keys of the people. */
	people: string[];
	/** Ids of the events to find, from `findEvents`; every event without it. */
	events?: string[];
	/** Maximum number of deliveries for each person and destination. */
	limit: number;
}

/** A delivery that is owed, and its place in the lane. */
export interface OwedDelivery {
	destination: Destination;
	person: string;
	body: string;
	/** Number of deliveries to the person that go before it. */
	ahead: number;
	/** State of the lane; see ARCHITECTURE.md. */
	state: "ready" | "leased" | "waiting";
	/** End of the wait or of the lease. */
	dueAt?: number;
	/** Number of failed attempts of the first delivery of the lane. */
	attempts: number;
}

/** The events that one step of a search has found. */
export interface FoundEvents {
	/** Events; an `id` is valid in this store only. */
	events: { id: string; body: string }[];
	/** Start of the next step; absent after the last one. */
	cursor?: string;
}

export interface ForgetRequest {
	site: string;
	/** Keys of the people. */
	people: string[];
}

/** A summary of the data deleted at one destination. */
export interface Forgotten {
	destination: string;
	/** Number of deliveries, which are counted as discarded for {@link forgottenReason}. */
	owed: number;
	/** Number of dead letters. */
	dead: number;
	/** JSON that the provider remembered of each person. */
	known: string[];
}

/** An event, or its delivery to one destination, that fan-out discarded because a claim was taken. Its body is not read: copies cost little. */
export interface Discarded {
	site: string;
	person: string;
	/** Stored key of the event's first claim, in hexadecimal, by which the event is recognised. */
	key: string;
	/** Reason of the claim. */
	reason: string;
	/** Destination whose delivery alone was discarded; absent if the event was. */
	destination?: string | undefined;
}

/** Reason under which deliveries of forgotten people are counted as discarded. */
export const forgottenReason = "forgotten";
