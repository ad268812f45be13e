import { describe, expect, it, test } from "vitest";
import { budgetLimits } from "../../../server/delivery/budget.ts";
import { type Backlog, forecast, joinWaits } from "../../../server/delivery/forecast.ts";
import { advanceBudget, type BudgetState } from "../../../server/outbox/budget-window.ts";

const [hour, day] = [3_600_000, 86_400_000];
/** Noon of a day that begins at a multiple of a day. */
const noon = 20_000 * day + 12 * hour;
const daily = (budget: number, reserve = 0) => budgetLimits({ requests: 10_000, per: "day" }, { budget, reserve });
const perMinute = budgetLimits({ requests: 120, per: "minute" }, {});
const at = (used: number, tokens: number, limits = daily(420)): BudgetState => ({
	used,
	tokens,
	windowStart: noon - (noon % limits.windowMs),
	refilledAt: noon,
});
const backlog = (more: Partial<Backlog> = {}): Backlog => ({
	owed: 10,
	requestsPerEvent: 1,
	state: { kind: "running" },
	limits: daily(420),
	budget: undefined,
	nextDueAt: undefined,
	...more,
});

/** Sends one request after the other, as early as the budget allows; returns the time of the last. */
function sendAll({ owed, limits, budget }: Backlog, from: number): number {
	let state = budget;
	let now = from;
	for (let sent = 0; sent < owed; ) {
		const taken = advanceBudget(state, { limits, want: 1, now });
		if (taken.advance.reservedOnly && limits.reserve > 0) now = taken.advance.until;
		else {
			state = taken.state;
			if (taken.advance.granted === 1) sent += 1;
			else now = Math.max(now + 1, taken.advance.nextAt);
		}
	}
	return now;
}

describe("a backlog", () => {
	it("that is empty waits for nothing", () => {
		expect(forecast(backlog({ owed: 0, nextDueAt: noon + 1 }), noon)).toBeUndefined();
	});

	it("within the saved requests goes at once", () => {
		expect(forecast(backlog({ owed: 100 }), noon)).toEqual({ for: "turn", nextAt: noon, doneAt: noon });
	});

	it("at 420 a day waits for one request in three and a half minutes, once the saved ones are spent", () => {
		const wait = forecast(backlog({ budget: at(100, 0) }), noon);
		expect(wait?.for).toBe("budget");
		expect(((wait?.nextAt ?? 0) - noon) / 60_000).toBeCloseTo(3.43, 1);
		expect(((wait?.doneAt ?? 0) - noon) / 60_000).toBeCloseTo(34.3, 0);
	});

	it("that an operator paused has no times", () => {
		const state = { kind: "paused", reason: "operator", since: 1 } as const;
		expect(forecast(backlog({ state, budget: at(420, 0), nextDueAt: noon + 1 }), noon)).toEqual({ for: "operator" });
	});

	it("waits for the end of a limit, a pause or a failed lane's wait, whichever ends last", () => {
		const until = noon + hour;
		const limit = { kind: "waiting", reason: "quota", until } as const;
		const pause = { kind: "paused", reason: "http_401", until } as const;
		const waits = [
			forecast(backlog({ state: limit }), noon),
			forecast(backlog({ state: pause, nextDueAt: noon - 1 }), noon),
			forecast(backlog({ state: pause, nextDueAt: until + 60_000 }), noon),
			forecast(backlog({ state: limit, nextDueAt: until + 1_000 }), noon),
			forecast(backlog({ state: { ...pause, until: noon - 1 } }), noon),
		];
		expect(waits).toEqual([
			{ for: "limit", nextAt: until, doneAt: until },
			{ for: "pause", nextAt: until, doneAt: until },
			{ for: "retry", nextAt: until + 60_000, doneAt: until + 60_000 },
			{ for: "limit", nextAt: until + 1_000, doneAt: until + 1_000 },
			{ for: "turn", nextAt: noon, doneAt: noon },
		]);
	});

	it("waits for the next day once only the backend's reserve is left", () => {
		const limits = daily(420, 0.2);
		const wait = forecast(backlog({ limits, budget: at(336, 50, limits) }), noon);
		expect(wait).toEqual({ for: "reserve", nextAt: noon + 12 * hour, doneAt: noon + 12 * hour });
	});

	it("takes longer if its events take several requests", () => {
		const doneAt = (requestsPerEvent: number) =>
			(forecast(backlog({ budget: at(100, 0), requestsPerEvent }), noon)?.doneAt ?? 0) - noon;
		expect(doneAt(3) / doneAt(1)).toBeCloseTo(3, 1);
	});

	test.each([
		["less than a day's rest", backlog({ owed: 150, budget: at(100, 20) })],
		["several days", backlog({ owed: 2_000, budget: at(200, 0) })],
		["several days beside a reserve", backlog({ owed: 2_000, limits: daily(420, 0.2), budget: at(300, 3) })],
		["a spent day", backlog({ owed: 500, budget: at(420, 0) })],
		["a large budget that was never used", backlog({ owed: 25_000, limits: daily(10_000) })],
		["a budget per minute", backlog({ owed: 1_000, limits: perMinute, budget: at(30, 2, perMinute) })],
		["a budget of a single request a day", backlog({ owed: 3, limits: daily(1), budget: at(1, 0, daily(1)) })],
	])("of %s is done when the budget's own rule has let the last request go", (_, each) => {
		const wait = forecast(each, noon);
		const doneAt = sendAll(each, wait?.nextAt ?? 0);
		const interval = each.limits.windowMs / each.limits.cap;
		// A hundredth of the time, or two requests.
		const most = Math.max((doneAt - noon) / 100, 2 * interval);
		expect(Math.abs((wait?.doneAt ?? 0) - doneAt)).toBeLessThanOrEqual(most);
	});
});

describe("the waits of several sites", () => {
	it("are joined: the first request of any, and the end of all, unless one is paused by an operator", () => {
		const early = { for: "turn", nextAt: 1, doneAt: 5 } as const;
		const late = { for: "budget", nextAt: 3, doneAt: 4 } as const;
		expect(joinWaits([late, early])).toEqual({ for: "turn", nextAt: 1, doneAt: 5 });
		expect(joinWaits([{ for: "operator" }, late])).toEqual({ for: "budget", nextAt: 3 });
		expect([joinWaits([]), joinWaits([{ for: "operator" }])]).toEqual([undefined, { for: "operator" }]);
	});
});
