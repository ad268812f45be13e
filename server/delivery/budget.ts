import type { DeliveryOptions } from "../config/destination.ts";
import type { BudgetLimits } from "../outbox/outbox.ts";
import type { Allowance } from "../providers/provider.ts";
import type { Context } from "./context.ts";

const windowMs = { day: 86_400_000, minute: 60_000, second: 1_000 };
/** Maximum number of tokens taken in advance, which a crash wastes. */
const advanceMost = 100;
/** Time, ms, whose refill one advance takes, so that a slow disk does not slow down a large budget. */
const advanceMs = 100;

const bucketOf = (cap: number, per: Allowance["per"]): number => {
	if (per === "day") return Math.min(cap, Math.max(100, Math.ceil(cap / 10)));
	return per === "minute" ? Math.max(1, Math.ceil(cap / 6)) : cap;
};

/** Derives the limits of a budget from a provider's allowance and a site's configuration. */
export function budgetLimits({ requests, per }: Allowance, options: Partial<DeliveryOptions>): BudgetLimits {
	const { budget, dayStartsAt, reserve = 0 } = options;
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

/** Counts the requests left in the current window. `last` is the use of the last window, which may have ended. */
export function budgetLeft(
	{ cap, windowMs }: BudgetLimits,
	last: { used: number; windowStart: number } | undefined,
	now: number,
): number {
	const isCurrent = last !== undefined && now < last.windowStart + windowMs;
	return isCurrent ? Math.max(0, cap - last.used) : cap;
}

/** Tokens taken from a budget in advance, one per request. They become void at the end of their window. */
export type Purse = ReturnType<typeof createPurse>;

/** Takes a destination's budget in small advances, each durable before a request is sent, and gives none back. */
export function createPurse({ outbox, destination, limits, now }: Context) {
	const refilled = Math.floor((limits.cap * advanceMs) / limits.windowMs);
	const want = Math.min(advanceMost, Math.max(Math.ceil(limits.bucket / 100), refilled, 1));
	let left = 0;
	let until = 0;
	let refillAt = 0;
	let reservedOnly = false;
	const tokens = () => (now() < until ? left : 0);
	return {
		/** Tokens that can be spent now. */
		tokens,

		/** Tells whether the tokens come from the reserve. */
		reservedOnly: () => reservedOnly,

		/** Takes tokens from the budget if the purse is empty. Resolves to the time of the refill if there are none. */
		async fill(): Promise<number | undefined> {
			if (tokens() > 0) return undefined;
			if (now() < refillAt) return refillAt;
			const { granted, nextAt, ...advance } = await outbox.advance({ destination, limits, want, now: now() });
			// Another caller may have filled the purse meanwhile.
			left = granted + (advance.until === until ? left : 0);
			({ until, reservedOnly } = advance);
			refillAt = left > 0 ? 0 : nextAt;
			if (tokens() > 0) return undefined;
			// The window may have ended meanwhile, and its tokens with it.
			return left > 0 ? now() : nextAt;
		},

		/** Spends a token and returns the end of its window. */
		spend(): number {
			left -= 1;
			return until;
		},

		/** Puts a token that was not needed back into the purse, unless its window has ended. */
		putBack(windowEnd: number): void {
			if (windowEnd === until) left += 1;
		},
	};
}
