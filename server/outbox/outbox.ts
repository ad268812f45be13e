import type { Batch, Claim, NewEvent } from "./batch.ts";
import type { JournalRow } from "./journal-row.ts";

export type { Batch, Claim, NewEvent } from "./batch.ts";

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

/** One site's account with one provider: what lanes, budgets and pauses belong to. */
export interface Destination {
	site: string;
	name: string;
}

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

export interface TakeRequest {
	destination: Destination;
	/** Lanes at most. */
	lanes: number;
	/** Deliveries of each lane at most. */
	deliveries: number;
	/** Lanes leased before these, to tell which is a tenth. */
	served: number;
	/** Only lanes whose first delivery a budget's reserve may be spent on. */
	reservedOnly: boolean;
	/** What the worker knows to hold the destination. Where something else does, nothing is leased. */
	hold?: string | undefined;
	/** Lanes this worker still works on: never leased again to itself, however late it is. */
	holding: number[];
	now: number;
	leaseMs: number;
}

export interface Taken {
	leases: Lease[];
	/** What holds the destination. */
	hold: string | undefined;
	/** When the next lane that is not ready now becomes so, if any. */
	nextAt: number | undefined;
}

/** What holds a destination, as whoever delivers wrote it; the outbox does not look into it. Undefined: nothing does. */
export interface HoldChange {
	destination: Destination;
	from: string | undefined;
	to: string | undefined;
}

/** A destination's budget: a bucket that refills evenly, under a cap per window. */
export interface BudgetLimits {
	/** Requests in a window at most. */
	cap: number;
	/** Of these, kept for what may spend the reserve. */
	reserve: number;
	/** Requests that can be saved up. */
	bucket: number;
	windowMs: number;
	/** When the windows start: ms after the epoch's multiples of `windowMs`. */
	windowOffsetMs: number;
}

export interface AdvanceRequest {
	destination: Destination;
	limits: BudgetLimits;
	want: number;
	now: number;
}

export interface Advance {
	granted: number;
	/** Whether these come out of the reserve. */
	reservedOnly: boolean;
	/** Until when they may be spent: the end of the window. */
	until: number;
	/** When more could be had, where fewer than wanted were granted. */
	nextAt: number;
}

/** One lane, for one request. */
export interface Lease {
	destination: Destination;
	lane: number;
	/** Raised by each `take` of the lane: an older number settles nothing. */
	number: number;
	person: string;
	/** What the provider learnt of this person so far, as it wrote it. */
	known: string | undefined;
	/** Failed attempts of the first delivery, those with an answer that could not be read, and when the first was. */
	attempts: number;
	unreadable: number;
	failingSince: number | undefined;
	/** Requests sent since the last delivery of this lane ended. */
	requests: number;
	/** Bodies of the deliveries owed, in order; at least one. */
	bodies: string[];
}

/** What becomes of the leading deliveries of a lease. */
export type Ending =
	| { kind: "delivered" }
	| { kind: "dead"; reason: string; message?: string; status?: number }
	| { kind: "discarded"; reason: string };

export interface Settlement {
	lease: Pick<Lease, "destination" | "lane" | "number" | "person">;
	now: number;
	/** How many leading deliveries have ended, and how. Absent: all stay owed. */
	ended?: { count: number; ending: Ending };
	/** A counted failure of the first delivery: the lane waits until `dueAt`. */
	failed?: { dueAt: number; unreadable?: boolean };
	/** Replaces what is known of the person. */
	known?: string;
	/** The destination's own names for the person, to be linked to them. */
	aliases?: string[];
	/** The next lease of this lane shows this many deliveries at most, until one ends; those after one that is alone too. */
	narrowTo?: number;
	/** Whether a request was sent. */
	sent?: boolean;
	/**
	 * It was only on the way to the first delivery, as a lookup or a creation is, or nothing was sent: the lane keeps its
	 * place in the turn, so that a budget that ends in between is not spent for nothing.
	 */
	isOnTheWay?: boolean;
	/** Attributes that did not fit there and were not sent, to be counted. */
	leftOut?: number;
}

export interface DeadLetter {
	id: string;
	site: string;
	destination: string;
	/** The event as JSON. */
	body: string;
	status?: number;
	reason: string;
	message?: string;
	attempts: number;
	firstAt: number;
	lastAt: number;
}

export interface DeadLetterPage {
	items: DeadLetter[];
	/** Where the next page starts, if there is one. */
	cursor?: string;
}

/** Those that match everything given; an empty selection is all. */
export interface DeadLetterSelection {
	ids?: string[];
	destination?: string;
	reason?: string;
	/** Last tried at or after, ms. */
	since?: number;
	/** Last tried before, ms. */
	before?: number;
}

/** A page of those that match, the oldest first. */
export interface DeadLetterQuery extends DeadLetterSelection {
	limit: number;
	cursor?: string;
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

export interface OwedQuery {
	destinations: Destination[];
	/** Their keys. */
	persons: string[];
	/** Only these events, as `findEvents` named them. */
	events?: string[];
	/** Deliveries of each lane at most. */
	limit: number;
}

/** A delivery that is owed, and where in its lane it is. */
export interface OwedDelivery {
	destination: Destination;
	person: string;
	body: string;
	/** Deliveries of the same lane that come before it. */
	ahead: number;
	/** What the lane is; see ARCHITECTURE.md. */
	state: "ready" | "leased" | "waiting";
	/** When a waiting lane may be taken, or when a lease runs out. */
	dueAt?: number;
	/** Failed attempts of the first delivery of the lane. */
	attempts: number;
}

export interface FoundEvents {
	/** `id` is the store's own. */
	events: { id: string; body: string }[];
	/** Where the next step starts, if there is one. */
	cursor?: string;
}

/** ms of a day's plot that are shown as one. */
export const budgetSlotMs = 600_000;
export const budgetUseKeptMs = 25 * 3_600_000;
/** How exactly it is kept, in ms, when what is known of a person was last of use: it is kept for 30 days. */
export const knownFreshMs = 3_600_000;
/** The same of a link. */
export const linkFreshMs = 86_400_000;
/** What a delivery that was owed to somebody who is forgotten is counted as. */
export const forgottenReason = "forgotten";

export interface BudgetUse {
	destination: Destination;
	/** When its slot starts: a multiple of {@link budgetSlotMs}. */
	at: number;
	used: number;
}

export interface DestinationStats {
	destination: Destination;
	/** Requests taken from the budget in its current window, and when that window started. */
	budget?: { used: number; windowStart: number };
	/** Deliveries owed. */
	owed: number;
	/** Lanes with something owed. */
	lanes: number;
	/** When the longest waiting delivery was fanned out. */
	oldestAt: number | undefined;
	delivered: number;
	/** Dead letters kept now. */
	dead: number;
	/** Attributes that did not fit there. */
	leftOut: number;
	/** Not delivered on purpose, by reason. */
	discarded: Record<string, number>;
}

export interface OutboxStats {
	/** Batches on disk that are not fanned out yet. */
	journal: number;
	/** Journal rows that could not be fanned out and were set aside. */
	stuck: number;
	/** Events taken into lanes or discarded so far. */
	events: number;
	/** Events discarded at fan-out, by the reason of the claim that was held. */
	discarded: Record<string, number>;
	/** What the store takes on disk, in bytes. */
	bytes: number;
	destinations: DestinationStats[];
}

/**
 * The store cannot be written or read now: disk full, file gone, database down. Nothing was changed, but for
 * the one case that it ended just after it had written: whoever tries again does so with the same event ids.
 */
export class StoreUnavailableError extends Error {
	override readonly name = "StoreUnavailableError";
	readonly code = "store_unavailable";
}

/** The store cannot be opened at all, and trying again will not help: in use by another, newer than this version. */
export class StoreOpenError extends Error {
	override readonly name = "StoreOpenError";
	readonly code = "store_open";
}
