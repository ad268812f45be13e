import { expect, it } from "vitest";
import { judgeForCi } from "./ci.ts";
import { measure } from "./measure.ts";
import { comparison, resultTable, short } from "./print.ts";
import { isMet, judged, median, type Result } from "./result.ts";

const result = (more: Partial<Result>): Result => ({
	name: "durable ingest",
	unit: "events/s",
	ours: [50, 80, 60],
	theirs: [100, 100, 200],
	peer: "node:http",
	betterIs: "higher",
	...more,
});

it("a target applies to the median of the rounds' ratios, not to the ratio of medians", () => {
	expect(judged(result({}))).toEqual([0.5, 0.8, 0.3]);
	expect(isMet(result({ target: { atLeast: 0.5 } }))).toBe(true);
	expect(isMet(result({ target: { atLeast: 0.51 } }))).toBe(false);
	expect(isMet(result({}))).toBeUndefined();
	expect(median([4, 1, 3, 2])).toBe(2.5);
});

it("without a peer, a target applies to the value itself", () => {
	const alone = result({ ours: [3], theirs: [], peer: "", target: { atMost: 3 } });
	expect(judged(alone)).toEqual([3]);
	expect(isMet(alone)).toBe(true);
});

it("a missed target never looks met by rounding: a value near 1 keeps three decimals", () => {
	expect([1.004, 0.996, 12.34, 123.4, 1234.5, 0.123, 3].map(short)).toEqual([
		"1.004",
		"0.996",
		"12.3",
		"123",
		"1,235",
		"0.12",
		"3",
	]);
	expect(resultTable([result({ ours: [100.4], theirs: [100], target: { atMost: 1 } })])).toMatch(
		/1\.004 .*≤ 1 .*MISSED/,
	);
});

it("peers with the same measure stand side by side in columns", () => {
	const three = ["", "Umami", "Amplitude"].map((peer) => result({ peer, theirs: peer === "" ? [] : [7] }));
	expect(
		comparison(three)
			.split("\n")
			.map((line) => line.trim().split(/\s{2,}/)),
	).toEqual([
		["eventferry", "Umami", "Amplitude"],
		["durable ingest, events/s", "60", "7", "7"],
	]);
	expect(comparison(three.slice(0, 2))).toBe("");
});

it("CI checks a few ratios, with bounds that a busy machine keeps", () => {
	const cost = (ratio: number) =>
		judgeForCi(
			result({ name: "durable ingest, 3 destinations: CPU an event, fan-out included", ours: [ratio], theirs: [1] }),
		);
	expect(cost(18)).toMatchObject({ isFine: true });
	expect(cost(61)).toMatchObject({ isFine: false, text: expect.stringMatching(/^FAR OFF: .*61, allowed: ≤ 60$/) });
	const ingest = (ratio: number) =>
		judgeForCi(result({ name: "durable ingest, 3 destinations", ours: [ratio], theirs: [1] }))?.isFine;
	expect([ingest(0.03), ingest(0.009)]).toEqual([true, false]);
	expect(judgeForCi(result({ name: "delivery" }))).toBeUndefined();
});

it("a failed section is reported and does not keep the next one from being measured", async () => {
	const ran: string[] = [];
	const isDone = await measure(
		{
			broken: () => Promise.reject(new Error("no compiler")),
			async whole(fail) {
				fail("Mixpanel", new Error("does not start"));
				ran.push("whole");
				return [];
			},
		},
		{ json: false },
	);
	expect([isDone, ran]).toEqual([false, ["whole"]]);
});
