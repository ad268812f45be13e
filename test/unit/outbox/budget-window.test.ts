import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { advanceBudget, type BudgetState, budgetSlotOf } from "../../../server/outbox/budget-window.ts";

const limits = { cap: 1_000, reserve: 0, bucket: 100, windowMs: 10_000, windowOffsetMs: 0 };

describe("a budget", () => {
	it("starts with a full bucket, and refills evenly", () => {
		const first = advanceBudget(undefined, { limits, want: 200, now: 0 });
		expect(first.advance).toEqual({ granted: 100, reservedOnly: false, until: 10_000, nextAt: 11 });
		const second = advanceBudget(first.state, { limits, want: 200, now: 505 });
		expect(second.advance.granted).toBe(50);
	});

	it("tells when the next request will be granted", () => {
		const { state } = advanceBudget(undefined, { limits, want: 100, now: 0 });
		const { advance } = advanceBudget(state, { limits, want: 1, now: 3 });
		expect(advance).toMatchObject({ granted: 0, nextAt: 11 });
		expect(advanceBudget(state, { limits, want: 1, now: advance.nextAt }).advance.granted).toBe(1);
	});

	it("stops at its cap until the window ends, and saves up nothing meanwhile", () => {
		const spent: BudgetState = { windowStart: 0, used: 1_000, tokens: 100, refilledAt: 9_000 };
		const { state, advance } = advanceBudget(spent, { limits, want: 1, now: 9_500 });
		expect(advance.granted).toBe(0);
		expect(advance.nextAt).toBeGreaterThanOrEqual(10_000);
		expect(advance.nextAt).toBeLessThan(10_100);
		expect(advanceBudget(state, { limits, want: 10, now: advance.nextAt }).advance.granted).toBe(1);
	});

	it("is put off by no attempt while its window is spent", () => {
		const hour = 3_600_000;
		const few = { cap: 2, reserve: 0, bucket: 2, windowMs: 24 * hour, windowOffsetMs: 0 };
		const spent = advanceBudget(undefined, { limits: few, want: 2, now: 13 * hour });
		let { state } = spent;
		for (const now of [14 * hour, 20 * hour, 23.9 * hour]) {
			const attempt = advanceBudget(state, { limits: few, want: 1, now });
			expect(attempt.advance).toMatchObject({ granted: 0, nextAt: spent.advance.nextAt });
			state = attempt.state;
		}
		expect(advanceBudget(state, { limits: few, want: 1, now: spent.advance.nextAt }).advance.granted).toBe(1);
	});

	it.each([
		["windows that begin with the first request", 120, 60_000],
		["windows that begin with the first request", 10, 1_000],
		["any minute", 120, 60_000],
		["any second", 10, 1_000],
	])(
		"is nearly all used, and seldom refused, by a provider that counts %s: %i requests a window",
		(kind, cap, windowMs) => {
			const windows = 200;
			const saturated = { cap, reserve: 0, bucket: Math.ceil(cap / 6), windowMs, windowOffsetMs: 0 };
			let random = 1;
			const latency = () => {
				random = (random * 48_271) % 2_147_483_647;
				return ((random / 2_147_483_647) * windowMs) / 200;
			};
			let state: BudgetState | undefined;
			let counted: number[] = [];
			let delivered = 0;
			let refused = 0;
			for (let now = 0.61 * windowMs; now < windows * windowMs; ) {
				const taken = advanceBudget(state, { limits: saturated, want: 1, now: Math.ceil(now) });
				state = taken.state;
				if (taken.advance.granted === 0) {
					now = Math.max(Math.ceil(now) + 1, taken.advance.nextAt);
					continue;
				}
				const at = now + latency();
				if (kind.startsWith("any")) counted = counted.filter((earlier) => earlier > at - windowMs);
				else if (at >= (counted[0] ?? 0) + windowMs) counted = [];
				if (counted.length < cap) {
					counted.push(at);
					delivered += 1;
				} else {
					refused += 1;
					now = (Math.floor(now / windowMs) + 1) * windowMs;
				}
			}
			expect(delivered).toBeGreaterThan(0.96 * cap * windows);
			expect(refused).toBeLessThan(windows / 50);
		},
	);

	it("starts its day at the configured offset", () => {
		const day = { ...limits, windowMs: 86_400_000, windowOffsetMs: 6 * 3_600_000 };
		const { state } = advanceBudget(undefined, { limits: day, want: 1, now: Date.UTC(2026, 0, 2, 5, 59) });
		expect(state.windowStart).toBe(Date.UTC(2026, 0, 1, 6));
	});

	it("keeps its reserve for deliveries that may spend it", () => {
		const reserving = { ...limits, reserve: 200 };
		const spent: BudgetState = { windowStart: 0, used: 795, tokens: 100, refilledAt: 0 };
		const last = advanceBudget(spent, { limits: reserving, want: 10, now: 0 });
		expect(last.advance).toMatchObject({ granted: 5, reservedOnly: false });
		expect(advanceBudget(last.state, { limits: reserving, want: 10, now: 0 }).advance).toMatchObject({
			granted: 10,
			reservedOnly: true,
		});
	});

	it("keeps its window if the clock is set back a little, and starts anew if it is set back far", () => {
		const spent: BudgetState = { windowStart: 20_000, used: 1_000, tokens: 100, refilledAt: 20_000 };
		const { advance } = advanceBudget(spent, { limits, want: 1, now: 19_000 });
		expect(advance).toMatchObject({ granted: 0, until: 30_000 });
		expect(advance.nextAt).toBeGreaterThanOrEqual(30_000);
		expect(advanceBudget(spent, { limits, want: 1, now: 100 }).advance.granted).toBe(1);
	});

	it("refills no faster if clocks differ", () => {
		let state: BudgetState | undefined;
		let total = 0;
		for (let time = 0; time < 5_000; time += 10) {
			// Two processes take requests in turn, and the clock of one is a second ahead.
			const result = advanceBudget(state, { limits, want: 10, now: time % 20 === 0 ? time : time + 1_000 });
			state = result.state;
			total += result.advance.granted;
		}
		expect(total).toBeLessThanOrEqual(100 + 6_000 / 10);
	});

	it("never grants more than its cap in a window, nor more than bucket and refill in any period", () => {
		const request = fc.record({ after: fc.nat(4_000), want: fc.integer({ min: 1, max: 150 }) });
		fc.assert(
			fc.property(fc.array(request, { maxLength: 100 }), (requests) => {
				let state: BudgetState | undefined;
				let now = 0;
				const byWindow = new Map<number, number>();
				let total = 0;
				for (const { after, want } of requests) {
					now += after;
					const result = advanceBudget(state, { limits, want, now });
					state = result.state;
					total += result.advance.granted;
					byWindow.set(state.windowStart, (byWindow.get(state.windowStart) ?? 0) + result.advance.granted);
				}
				expect(total).toBeLessThanOrEqual(100 + now / 10 + 1e-6);
				for (const used of byWindow.values()) expect(used).toBeLessThanOrEqual(1_000);
			}),
		);
	});
});

it("a request counts in the slot of ten minutes in which it was taken", () => {
	expect([0, 599_999, 600_000, 1_234_567].map(budgetSlotOf)).toEqual([0, 0, 600_000, 1_200_000]);
});
