import type { Wait } from "../../shared/admin.ts";
import { advanceBudget, type BudgetLimits, type BudgetState, refillPerMs } from "../outbox/budget-window.ts";
import { type DestinationState, operatorReason } from "./state.ts";

/** Facts about one site's account with a destination, from which its wait follows. */
export interface Backlog {
	/** Number of events that wait. */
	owed: number;
	/** Requests that an event takes, as measured; 1 if that is not known. */
	requestsPerEvent: number;
	state: DestinationState;
	limits: BudgetLimits;
	/** State of the budget as it was last used; undefined before the first use. */
	budget: BudgetState | undefined;
	/** Time at which the first lane is due, if all lanes wait for another attempt. */
	nextDueAt: number | undefined;
}

/** Difference up to which two ends of a wait are one, ms. */
const togetherMs = 2_000;

type Cause = Pick<Wait, "for"> & { nextAt: number };

/** Returns the time until which the destination's own state holds requests. */
function heldUntil(state: DestinationState, now: number): Cause {
	if (state.kind === "running" || state.until === undefined) return { for: "turn", nextAt: now };
	return { for: state.kind === "paused" ? "pause" : "limit", nextAt: Math.max(now, state.until) };
}

/** Returns the time of the budget's next request. Only the backend's events may spend the reserve, so it does not count. */
function budgetedAt({ budget, limits }: Backlog, now: number): Cause {
	const { advance } = advanceBudget(budget, { limits, want: 1, now });
	if (advance.reservedOnly) {
		const isKept = limits.reserve > 0;
		return { for: isKept ? "reserve" : "budget", nextAt: isKept ? advance.until : advance.nextAt };
	}
	return { for: "budget", nextAt: advance.granted > 0 ? now : advance.nextAt };
}

/**
 * Returns the time at which the last of `requests` requests can be sent, if the first goes at `start`. Treats the budget
 * as a flow: the saved tokens at once, then an even refill, up to the part of each window's cap that is not reserved.
 */
function lastAt(requests: number, { budget, limits }: Backlog, start: number): number {
	const { cap, reserve, windowMs } = limits;
	const { state, advance } = advanceBudget(budget, { limits, want: 0, now: start });
	const perMs = refillPerMs(limits);
	const perWindow = Math.max(1, cap - reserve);
	const free = Math.max(0, perWindow - state.used);
	const atOnce = Math.min(Math.floor(state.tokens), free);
	if (requests <= atOnce) return start;
	const refilledAt = Math.max(start, state.refilledAt);
	// Requests that the refill of this window allows beyond the saved tokens.
	const here = Math.min(free, atOnce + (advance.until - refilledAt) * perMs);
	if (requests <= here) return Math.ceil(refilledAt + (requests - atOnce) / perMs);
	const left = requests - here;
	const windows = Math.ceil(left / perWindow) - 1;
	// While only the reserve was left, the bucket has filled again.
	const saved = Math.min(limits.bucket, reserve);
	const inLast = Math.max(0, left - windows * perWindow - saved);
	return Math.ceil(advance.until + windows * windowMs + inLast / perMs);
}

/**
 * Tells why events wait, when the next request goes, and when all that wait now are sent at this rate. Undefined if
 * nothing waits. Pure; `now` is ms since the epoch.
 */
export function forecast(backlog: Backlog, now: number): Wait | undefined {
	const { owed, requestsPerEvent, state, nextDueAt = now } = backlog;
	if (owed === 0) return undefined;
	if (state.kind === "paused" && state.until === undefined) return { for: operatorReason };
	const due: Cause = { for: "retry", nextAt: Math.max(now, nextDueAt) };
	const causes = [heldUntil(state, now), budgetedAt(backlog, now), due];
	const nextAt = Math.max(...causes.map((each) => each.nextAt));
	// Lanes that met a limit wait a moment longer than the destination, which is the cause.
	const cause = nextAt > now ? causes.find((each) => each.nextAt >= Math.max(now + 1, nextAt - togetherMs)) : undefined;
	const requests = Math.max(1, Math.ceil(owed * requestsPerEvent));
	return { for: cause?.for ?? "turn", nextAt, doneAt: lastAt(requests, backlog, nextAt) };
}

/** Joins the waits of several accounts: the first request of any, and the time when all are done. */
export function joinWaits(waits: readonly Wait[]): Wait | undefined {
	const timed = waits.filter(({ nextAt }) => nextAt !== undefined);
	const [first] = timed.toSorted((a, b) => (a.nextAt ?? 0) - (b.nextAt ?? 0));
	if (!first) return waits[0];
	const isEndless = timed.length < waits.length;
	return { ...first, doneAt: isEndless ? undefined : Math.max(...timed.map(({ doneAt = 0 }) => doneAt)) };
}
