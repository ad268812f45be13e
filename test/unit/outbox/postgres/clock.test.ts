import { describe, expect, it } from "vitest";
import { aheadBy, createClock } from "../../../../server/outbox/postgres/clock.ts";

describe("the difference of two clocks", () => {
	it("is at least what the statement's duration cannot explain", () => {
		expect(aheadBy({ time: 9_000, start: 1_000, end: 2_000 })).toBe(7_000);
		expect(aheadBy({ time: 400, start: 1_000, end: 2_000 })).toBe(-600);
	});

	it("is none if the statement can have read this very time, however long it took", () => {
		for (const time of [1_000, 5_560, 10_120]) expect(aheadBy({ time, start: 1_000, end: 10_120 })).toBe(0);
	});
});

describe("the clock of the database", () => {
	it("starts at its time, and runs on by itself", () => {
		let elapsed = 100;
		const { now, correct } = createClock(() => elapsed);
		correct({ time: 50_000, start: 80, end: 100 });
		expect(now()).toBe(50_010);
		elapsed = 150;
		expect(now()).toBe(50_060);
	});

	it("follows readings as far as they tell: not after a slow answer, exactly after a quick one", () => {
		let elapsed = 0;
		const { now, correct } = createClock(() => elapsed);
		correct({ time: 50_000, start: 0, end: 0 });
		elapsed = 9_000;
		correct({ time: 50_500, start: 0, end: 9_000 });
		expect(now()).toBe(59_000);
		correct({ time: 59_300, start: 8_990, end: 9_000 });
		expect(now()).toBe(59_300);
		correct({ time: 20_000, start: 9_000, end: 9_000 });
		expect(now()).toBe(20_000);
	});
});
