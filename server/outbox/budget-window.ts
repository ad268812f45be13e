import type { Destination } from "./destination.ts";
import type { Row } from "./row.ts";

/** Length of a slot. Requests taken from a budget are counted for each slot of time. */
export const budgetSlotMs = 600_000;
/** Time for which the counts of the slots are kept. */
export const budgetUseKeptMs = 25 * 3_600_000;

/**
 * Limits of a budget: the requests that may be sent to a destination. A token bucket refills evenly, under a hard cap
 * for each window of time; the last part of the cap is a reserve.
 */
export interface BudgetLimits {
	/** Maximum number of requests in a window. */
	cap: number;
	/** Part of the cap that only reserved events may spend. */
	reserve: number;
	/** Maximum number of requests saved up. */
	bucket: number;
	windowMs: number;
	/** Start of the windows: ms after the multiples of `windowMs` since the epoch. */
	windowOffsetMs: number;
}

export interface AdvanceRequest {
	destination: Destination;
	limits: BudgetLimits;
	/** Maximum number of requests to take. */
	want: number;
	now: number;
}

/** Requests taken from a budget. */
export interface Advance {
	granted: number;
	/** True if only the reserve is left. */
	reservedOnly: boolean;
	/** End of the window, after which the requests may no longer be sent. */
	until: number;
	/** Time from which the budget grants another request. */
	nextAt: number;
}

/** Requests taken from a budget in one slot. */
export interface BudgetUse {
	destination: Destination;
	/** Start of the slot, a multiple of {@link budgetSlotMs}. */
	at: number;
	used: number;
}

export interface BudgetState {
	windowStart: number;
	/** Number of requests taken in the window. */
	used: number;
	/** Number of requests saved up in the bucket, with a fraction. */
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

export const budgetSlotOf = (now: number): number => now - (now % budgetSlotMs);

/** Maximum difference between the clocks of processes. A clock further behind the last refill was set back. */
const skewMs = 60_000;

/**
 * Time by which a window's requests are spread over more than the window. A provider counts its own windows, often from
 * the first request on, and sees requests earlier or later than they were sent: at the exact rate one in two of its
 * windows would hold a request too many. 0.8 % of a minute, nothing of a day.
 */
const spareMsOf = (windowMs: number): number => Math.min(500, windowMs / 120);

/** Returns the rate at which a budget refills, in requests per ms. */
export const refillPerMs = ({ cap, windowMs }: Pick<BudgetLimits, "cap" | "windowMs">): number =>
	cap / (windowMs + spareMsOf(windowMs));

/**
 * Takes requests from a budget. Pure, so that every store decides alike. If the clock was set back by up to a window,
 * the stored window goes on: nothing is lost and nothing is granted twice.
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

	const perMs = refillPerMs({ cap, windowMs });
	const { refilledAt: last = now, tokens: saved = bucket } = before ?? {};
	const isBehind = last > now && last - now <= skewMs;
	const refilledAt = isBehind ? last : now;
	const tokens = Math.min(bucket, saved + Math.max(0, now - last) * perMs);

	const free = cap - reserve - used;
	const reservedOnly = free <= 0;
	const left = reservedOnly ? cap - used : free;
	const granted = Math.max(0, Math.min(want, Math.floor(tokens), left));
	// A spent window saves up nothing but the next one's first request. Otherwise every window would begin with a burst
	// and end with a wait, and a provider whose windows begin at other times would see more than it allows.
	const isSpent = used + granted >= cap;
	// An attempt that takes nothing puts nothing off.
	const emptiedAt = granted > 0 ? refilledAt : Math.min(refilledAt, last);
	const refillsFrom = isSpent ? Math.max(emptiedAt, Math.ceil(until + spareMsOf(windowMs) - 1 / perMs)) : refilledAt;
	const kept = isSpent ? 0 : tokens - granted;
	const nextAt = refillsFrom + Math.ceil(Math.max(0, 1 - kept) / perMs);
	return {
		state: { windowStart, used: used + granted, tokens: kept, refilledAt: refillsFrom },
		advance: { granted, reservedOnly, until, nextAt },
	};
}
