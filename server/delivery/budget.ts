import type { BudgetLimits, Destination, Outbox } from "../outbox/outbox.ts";
import type { Allowance } from "../providers/provider.ts";

/** What a site's configuration says of a destination's budget. */
export interface BudgetOptions {
	/** Requests per day, minute or second, whichever the provider counts by; default what it allows. */
	budget?: number | undefined;
	/** When its day starts, `HH:MMZ`. */
	dayStartsAt?: string | undefined;
	/** The part of a daily budget that is kept for trusted events, 0 to 1. */
	reserve?: number | undefined;
}

const windowMs = { day: 86_400_000, minute: 60_000, second: 1_000 };
/** Tokens are taken in advance for so many requests at most: what a crash can waste. */
const advanceMost = 100;
/** As many as refill in this time are taken at once, so that a slow disk does not slow down what may go often. */
const advanceMs = 100;

const bucketOf = (cap: number, per: Allowance["per"]): number => {
	if (per === "day") return Math.min(cap, Math.max(100, Math.ceil(cap / 10)));
	return per === "minute" ? Math.max(1, Math.ceil(cap / 6)) : cap;
};

/** The limits that follow from what a provider allows and a site says. */
export function budgetLimits(
	{ requests, per }: Allowance,
	{ budget, dayStartsAt, reserve = 0 }: BudgetOptions,
): BudgetLimits {
	const cap = budget ?? requests;
	const [hours = 0, minutes = 0] = dayStartsAt?.match(/\d+/g)?.map(Number) ?? [];
	return {
		cap,
		reserve: per === "day" ? Math.floor(cap * reserve) : 0,
		bucket: bucketOf(cap, per),
		windowMs: windowMs[per],
		windowOffsetMs: per === "day" ? (hours * 60 + minutes) * 60_000 : 0,
	};
}

/** Requests that can still be taken in the current window; `used` is of the window it names, which may be over. */
export function budgetLeft(
	{ cap, windowMs }: BudgetLimits,
	used: { used: number; windowStart: number } | undefined,
	now: number,
): number {
	const isCurrent = used !== undefined && now < used.windowStart + windowMs;
	return isCurrent ? Math.max(0, cap - used.used) : cap;
}

/** Requests taken from the budget and not sent yet. They are void when their window ends. */
export interface Purse {
	/** Makes sure of at least one request if one can be had; resolves to when to ask again if not. */
	fill(): Promise<number | undefined>;
	/** How many may be sent now. */
	tokens(): number;
	/** Whether those are for what may spend the reserve only. */
	reservedOnly(): boolean;
	/** Takes them out; returns their window's end. */
	spend(count: number): number;
	/** Puts back one that was not needed after all, if its window has not ended. */
	keep(windowEnd: number): void;
}

/** Takes a destination's budget in small advances, durable before a request is sent; what a crash leaves unspent is lost. */
export function createPurse(outbox: Outbox, destination: Destination, limits: BudgetLimits, now: () => number): Purse {
	const refilled = Math.floor((limits.cap * advanceMs) / limits.windowMs);
	const want = Math.min(advanceMost, Math.max(Math.ceil(limits.bucket / 100), refilled, 1));
	let left = 0;
	let until = 0;
	let refillAt = 0;
	let reservedOnly = false;
	const tokens = () => (now() < until ? left : 0);
	return {
		tokens,
		reservedOnly: () => reservedOnly,
		async fill() {
			if (tokens() > 0) return undefined;
			if (now() < refillAt) return refillAt;
			const { granted, nextAt, ...advance } = await outbox.advance({ destination, limits, want, now: now() });
			// Somebody else may have filled it meanwhile.
			left = granted + (advance.until === until ? left : 0);
			({ until, reservedOnly } = advance);
			refillAt = left > 0 ? 0 : nextAt;
			return left > 0 ? undefined : nextAt;
		},
		spend(count) {
			left -= count;
			return until;
		},
		keep(windowEnd) {
			if (windowEnd === until) left += 1;
		},
	};
}
