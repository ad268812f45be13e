import type { Destination } from "./destination.ts";
import type { Row } from "./row.ts";

/** ms of a day's plot that are shown as one. */
export const budgetSlotMs = 600_000;
export const budgetUseKeptMs = 25 * 3_600_000;

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

export interface BudgetUse {
	destination: Destination;
	/** When its slot starts: a multiple of {@link budgetSlotMs}. */
	at: number;
	used: number;
}

/** What a store keeps of a budget. */
export interface BudgetState {
	windowStart: number;
	/** Requests taken in the window. */
	used: number;
	/** Requests saved up in the bucket, a fraction. */
	tokens: number;
	refilledAt: number;
}

export const budgetStateOf = (row: Row): BudgetState => ({
	windowStart: Number(row.window_start),
	used: Number(row.used),
	tokens: Number(row.tokens),
	refilledAt: Number(row.refilled_at),
});

export const budgetUseOf = (row: Row): BudgetUse => ({
	destination: { site: String(row.site), name: String(row.destination) },
	at: Number(row.at),
	used: Number(row.used),
});

/** Finds the start of the slot that a time belongs to. */
export const budgetSlotOf = (now: number): number => now - (now % budgetSlotMs);

/** Clocks of those who share a budget differ by less; one that is further behind than that was set back. */
const skewMs = 60_000;

/**
 * Takes from a budget: pure, so that every store decides alike. A bucket refills evenly under a hard cap
 * per window, the last part of which is a reserve. A clock that was set back takes nothing away and gives
 * nothing twice: the window that was begun goes on.
 */
export function advanceBudget(
	before: BudgetState | undefined,
	{ limits: { cap, reserve, bucket, windowMs, windowOffsetMs }, want, now }: Omit<AdvanceRequest, "destination">,
): { state: BudgetState; advance: Advance } {
	const current = Math.floor((now - windowOffsetMs) / windowMs) * windowMs + windowOffsetMs;
	const isGoingOn = before !== undefined && before.windowStart >= current && before.windowStart <= current + windowMs;
	const windowStart = isGoingOn ? before.windowStart : current;
	const used = isGoingOn ? before.used : 0;
	const until = windowStart + windowMs;

	const perMs = cap / windowMs;
	const { refilledAt: last = now, tokens: saved = bucket } = before ?? {};
	const isBehind = last > now && last - now <= skewMs;
	const refilledAt = isBehind ? last : now;
	const tokens = Math.min(bucket, saved + Math.max(0, now - last) * perMs);

	const free = cap - reserve - used;
	const reservedOnly = free <= 0;
	const left = reservedOnly ? cap - used : free;
	const granted = Math.max(0, Math.min(want, Math.floor(tokens), left));
	const nextAt = left <= 0 ? until : refilledAt + Math.ceil(Math.max(0, granted + 1 - tokens) / perMs);
	return {
		state: { windowStart, used: used + granted, tokens: tokens - granted, refilledAt },
		advance: { granted, reservedOnly, until, nextAt },
	};
}
