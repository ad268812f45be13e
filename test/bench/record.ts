import { existsSync, readFileSync } from "node:fs";
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
	/** End of the measurement, in UTC. */
	at: z.iso.datetime(),
	/** Duration in seconds. */
	seconds: z.number(),
	/** Command that measured the section. */
	command: z.string(),
	results: z.array(result),
	/** Parts that could not be measured, with the reasons. */
	failures: z.array(z.string()),
});

const bench = z.object({
	machine: z.string(),
	/** Versions of Node, eventferry, the peers and other software involved, by name. */
	versions: z.record(z.string(), z.string()),
	sections: z.record(z.string(), section),
	/** Reason why the last run ended early. */
	failure: z.string().exactOptional(),
});
export type BenchRecord = z.output<typeof bench>;

const record = z.record(z.string(), bench);
/** Latest measurements by bench: the content of `docs/benchmarks.json`. */
export type Measured = z.output<typeof record>;

export const recordFile = "docs/benchmarks.json";
/** File of a second run, which shows how far the figures depend on the run. */
export const againFile = "docs/benchmarks-again.json";

/** Reads the measurements of a file, none if it is absent; throws if the file has another shape. */
export const readMeasured = (file = recordFile): Measured =>
	existsSync(file) ? record.parse(JSON.parse(readFileSync(file, "utf8"))) : {};

/** Parses a line that a bench printed with `--json`; throws for any other text. */
export const parseLine = (line: string) => lines.parse(JSON.parse(line));

const named = { section: z.string() };
const lines = z.union([
	z.object({ versions: z.record(z.string(), z.string()) }),
	z.object({ ...named, result }),
	z.object({ ...named, failure: z.string() }),
	z.object({ ...named, seconds: z.number() }),
]);
export type Line = z.output<typeof lines>;

/** Rounds numbers to five digits, more than any figure is accurate to. */
const rounded = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);

/** Formats measurements as JSON, with one line per result. */
export const recordText = (measured: Measured): string =>
	`${JSON.stringify(measured, rounded, "\t").replaceAll(/\{\n\t{6}"name"[\s\S]*?\n\t{5}\}/g, (text) =>
		text.replaceAll(/\n\t*/g, " "),
	)}\n`;

/** Adds a run to a bench's record. Drops old sections that were measured on another machine or with other versions. */
export function merged(before: BenchRecord | undefined, run: BenchRecord): BenchRecord {
	const isSame = before?.machine === run.machine && JSON.stringify(before.versions) === JSON.stringify(run.versions);
	return { ...run, sections: { ...(isSame && before?.sections), ...run.sections } };
}
