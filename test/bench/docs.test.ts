import { expect, it } from "vitest";
import { withMeasured } from "./comparison.ts";
import { charts, page } from "./docs.ts";
import { withFigures } from "./figures.ts";
import { reasonOf } from "./reasons.ts";
import { type BenchRecord, type Measured, merged, readMeasured, recordText } from "./record.ts";
import type { Result } from "./result.ts";
import { withMillion } from "./scale.ts";

const size = (peer: string, theirs: number[]): Result => ({
	name: "size",
	unit: "B",
	ours: [5_000],
	theirs,
	peer,
	betterIs: "lower",
	...(peer === "" && { target: { atMost: 5_000 } }),
});
const bench = (more: Partial<BenchRecord>): BenchRecord => ({
	machine: "a machine",
	versions: { Node: "24" },
	sections: {},
	...more,
});
const section = (results: Result[], failures: string[] = []) => ({
	at: "2026-01-02T03:04:05.000Z",
	seconds: 61,
	command: "npm run bench:browser",
	results,
	failures,
});
const measured: Measured = {
	browser: bench({
		sections: { cost: section([size("", []), size("Umami", [2_000]), size("Amplitude", [58_000])], ["Jitsu: no"]) },
	}),
	server: bench({
		failure: "ended with 7",
		sections: {
			ingest: section([
				{
					name: "ingest",
					unit: "events/s",
					ours: [40, 60],
					theirs: [100, 100],
					peer: "node:http",
					betterIs: "higher",
					target: { atLeast: 0.51 },
				},
			]),
		},
	}),
};

it("the page lists missed targets, measures in which a peer is better, and failures", () => {
	const text = page(measured);
	expect(text).toContain("1 of 2 targets are met. Missed:\n\n- ingest ÷ node:http: 0.50, asked for ≥ 0.51\n");
	expect(text).toContain("Better than eventferry:\n\n- size, ours 5,000 B: Umami (2,000 B)\n");
	expect(text).toContain("- Jitsu: no\n");
	expect(text).toContain("- the last run ended with 7\n");
	expect(text).toContain(
		"| ingest ÷ node:http | 0.50 | 0.40-0.60 | ≥ 0.51 | **missed** | 50 events/s | 100 events/s |",
	);
	expect(text).toContain("| size | 5,000 B |  | ≤ 5,000 | met |  |  |");
});

it("the page tells which figures a second run on the same machine did not repeat", () => {
	const again = (theirs: number[]): Measured => {
		const [result] = measured.server?.sections.ingest?.results ?? [];
		if (!result) throw new Error("there is no result");
		return { ...measured, server: bench({ sections: { ingest: section([{ ...result, theirs }]) } }) };
	};
	expect(page(measured)).not.toContain("second run");
	expect(page(measured, again([92, 92]))).toContain(
		"Of 2 figures with a target, 0 differed by more than 10 % in a second run",
	);
	expect(page(measured, again([50, 50]))).toContain(
		"benchmarks-again.json):\n\n- The proxy: ingest ÷ node:http: 0.50, then 1; asked for ≥ 0.51: missed, then met\n",
	);
	const elsewhere = { server: bench({ ...again([50, 50]).server, machine: "another" }) };
	expect(page(measured, elsewhere)).not.toContain("second run");
});

it("the README gets the figures: peers from the best to the worst, each ratio with its target, the number of met targets", () => {
	const delivered = (peer: string, theirs: number[]): Result => ({
		name: "delivered in each person's order, 9 waiting",
		unit: "events/s",
		ours: [30],
		theirs,
		peer,
		betterIs: "higher",
		...(peer === "pg-boss" && { target: { atLeast: 20 } }),
	});
	const readme = "before\n<!-- measured: npm run docs -->\nold <!-- /measured -->\nafter\n";
	const text = withFigures(readme, {
		...measured,
		queues: bench({ sections: { queues: section([delivered("pg-boss", [1]), delivered("BullMQ", [40])]) } }),
		server: bench({
			sections: {
				...measured.server?.sections,
				latency: section([{ ...size("a handler", [4_000]), name: "post to provider", target: { atMost: 1 } }]),
			},
		}),
	});
	expect(text).toContain("| delivered in each person's order, 9 waiting, events/s | 30 | BullMQ: 40; pg-boss: 1 |\n");
	expect(text).toContain("| post to provider | 1.25 × a handler | asked for ≤ 1: missed |\n");
	expect(text).toContain("2 of its 4 targets are met");
	expect(text).toMatch(/^before\n<!-- measured[\s\S]*<!-- \/measured -->\nafter\n$/);
	expect(text).not.toContain("old");
});

it("the comparison gets the figures in the rows of the measured trackers, and keeps its other words", () => {
	const umami = (name: string, theirs: number): Result => ({ ...size("Umami", [theirs]), name });
	const browser = bench({
		sections: {
			delivery: section([
				umami("lost of 50 as the tab closes, next page included", 41),
				umami("lost of 200 after an outage", 0),
				umami("requests for 50 events in 5 s", 5),
				umami("body an event", 1_249.6),
				umami("size, Brotli", 2_049),
			]),
		},
	});
	const row = (name: string, figures: string) => `| ${name} | none [1] | at once [2]; ${figures} |`;
	const before = "all 50 came, B | 7 of 200 lost, B | 3 for 50, 42 B an event, B | 9.9 KB, B";
	const after = "nearly all of 50 lost, B | none of 200 lost, B | 5 for 50, 1,250 B an event, B | 2.0 KB, B";
	const text = withMeasured(`${row("Umami", before)}\n${row("Vector", before)}`, { browser });
	expect(text).toBe(`${row("Umami", after)}\n${row("Vector", before)}`);
});

it("puts what a million events cost on each store into docs/scale.md", () => {
	const cost = (unit: string, ours: number[]): Result => ({
		...{ name: `a million events: CPU of the proxy, to take them in`, unit, ours, theirs: [], peer: "" },
		betterIs: "lower",
	});
	const old = "before\n<!-- measured: npm run docs -->\n\nold\n\n<!-- /measured -->\nafter";
	const figures = { server: bench({ sections: { million: section([cost("s", [20, 22, 21])]) } }) };
	expect(withMillion(old, figures)).toContain(
		"| a million events | SQLite | PostgreSQL |\n|---|---|---|\n| CPU of the proxy, to take them in | 21 s | – |\n",
	);
	expect(withMillion(old, {})).toBe(old);
});

it("draws the targets and each measure with several peers, in both themes", () => {
	const drawn = charts(measured);
	expect(Object.keys(drawn)).toEqual(["targets", "browser-cost"]);
	for (const { light, dark } of Object.values(drawn)) {
		expect(light).toMatch(/^<svg [\s\S]*fill="white"[\s\S]*<\/svg>\n$/);
		expect(dark).toMatch(/^<svg [\s\S]*fill="#0d1117"[\s\S]*<\/svg>\n$/);
	}
	expect(drawn["browser-cost"]?.light).toContain("Umami");
});

it("a run of some sections keeps the others, unless they were measured on another machine or with other versions", () => {
	const before = bench({ sections: { cost: section([]), memory: section([]) } });
	const run = { sections: { cost: section([size("", [])]) } };
	expect(Object.keys(merged(before, bench(run)).sections)).toEqual(["cost", "memory"]);
	expect(merged(before, bench(run)).sections.cost?.results).toHaveLength(1);
	expect(Object.keys(merged(before, bench({ ...run, machine: "another" })).sections)).toEqual(["cost"]);
	expect(Object.keys(merged(before, bench({ ...run, versions: { Node: "25" } })).sections)).toEqual(["cost"]);
});

it("raw numbers are written one result per line, and read back unchanged", () => {
	const text = recordText(measured);
	expect(JSON.parse(text)).toEqual(measured);
	expect(text).toContain('\t{ "name": "size", "unit": "B", "ours": [ 5000 ], "theirs": [ 2000 ]');
});

it("each published target has a reason", () => {
	const results = Object.values(readMeasured()).flatMap(({ sections }) =>
		Object.values(sections).flatMap(({ results }) => results),
	);
	const targeted = results.filter(({ target }) => target);
	expect(targeted.length).toBeGreaterThan(0);
	expect(targeted.map(({ name }) => name).filter((name) => reasonOf(name) === undefined)).toEqual([]);
});
