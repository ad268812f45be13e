import { readFileSync } from "node:fs";
import { z } from "zod";

const numbers = z.array(z.number());
const result = z.object({
	name: z.string(),
	unit: z.string(),
	ours: numbers,
	theirs: numbers,
	peer: z.string(),
	betterIs: z.enum(["higher", "lower"]),
	target: z.object({ atLeast: z.number().exactOptional(), atMost: z.number().exactOptional() }).exactOptional(),
});

const section = z.object({
	/** When it ended, in UTC, and how long it took, s. */
	at: z.iso.datetime(),
	seconds: z.number(),
	/** What measured it. */
	command: z.string(),
	results: z.array(result),
	/** What could not be measured, and why. */
	failures: z.array(z.string()),
});

const bench = z.object({
	machine: z.string(),
	/** By name: Node, eventferry and what it was measured with and beside. */
	versions: z.record(z.string(), z.string()),
	sections: z.record(z.string(), section),
	/** Why its last run ended before its end. */
	failure: z.string().exactOptional(),
});
export type BenchRecord = z.output<typeof bench>;

const record = z.record(z.string(), bench);
/** What was measured last, by bench: the content of `docs/benchmarks.json`. */
export type Measured = z.output<typeof record>;

export const recordFile = "docs/benchmarks.json";

/** What was measured last; throws where the file is not what a run wrote. */
export const readMeasured = (): Measured => record.parse(JSON.parse(readFileSync(recordFile, "utf8")));

/** A line of what a bench prints with `--json`; throws where it is none. */
export const parseLine = (line: string) => lines.parse(JSON.parse(line));

const named = { section: z.string() };
const lines = z.union([
	z.object({ versions: z.record(z.string(), z.string()) }),
	z.object({ ...named, result }),
	z.object({ ...named, failure: z.string() }),
	z.object({ ...named, seconds: z.number() }),
]);
export type Line = z.output<typeof lines>;

/** Five digits are more than any figure is good for. */
const rounded = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);

/** The record as text: a line for each result. */
export const recordText = (measured: Measured): string =>
	`${JSON.stringify(measured, rounded, "\t").replaceAll(/\{\n\t{6}"name"[\s\S]*?\n\t{5}\}/g, (text) =>
		text.replaceAll(/\n\t*/g, " "),
	)}\n`;

/** A bench's record with what a run of some of its sections found. What was measured elsewhere is not kept. */
export function merged(before: BenchRecord | undefined, run: BenchRecord): BenchRecord {
	const isSame = before?.machine === run.machine && JSON.stringify(before.versions) === JSON.stringify(run.versions);
	return { ...run, sections: { ...(isSame && before?.sections), ...run.sections } };
}
