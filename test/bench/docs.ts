import { readFileSync, writeFileSync } from "node:fs";
import { benches } from "./benches.ts";
import { type Chart, chartedMeasures, comparisonChart, targetsChart } from "./charts.ts";
import { withMeasured } from "./comparison.ts";
import { withFigures } from "./figures.ts";
import { medianOf, sideBySide, spread, targetText, verdictOf, withSpread } from "./print.ts";
import { reasonOf } from "./reasons.ts";
import type { BenchRecord, Measured } from "./record.ts";
import { isMet, judged, median, type Result } from "./result.ts";
import { withMillion } from "./scale.ts";

const row = (cells: string[]) => `| ${cells.join(" | ")} |\n`;
const table = (head: string[], lines: string[][]): string =>
	lines.length === 0 ? "" : `${row(head)}|${head.map(() => "---").join("|")}|\n${lines.map(row).join("")}\n`;

const titleOf = ({ name, peer }: Result) => (peer === "" ? name : `${name} ÷ ${peer}`);
const verdict = (result: Result) => verdictOf(result).replace("MISSED", "**missed**");

/** Table of the measures with several peers: a row for each peer, a column for each measure. */
function comparisonTable(results: Result[]): string {
	const compared = sideBySide(results);
	if (compared.length === 0) return "";
	const measures = [...Map.groupBy(compared, ({ name }) => name).values()];
	const peers = [...new Set(compared.map(({ peer }) => peer))].filter((peer) => peer !== "");
	const heads = measures.map(([first]) => (first?.unit ? `${first.name}, ${first.unit}` : (first?.name ?? "")));
	return table(
		["", ...heads],
		[
			["**eventferry**", ...measures.map(([first]) => withSpread(first?.ours ?? [], ""))],
			...peers.map((name) => [
				name,
				...measures.map((each) => withSpread(each.find(({ peer }) => peer === name)?.theirs ?? [], "") || "–"),
			]),
		],
	);
}

/** List of the measures in which a peer's median is better than ours. */
function whoIsBetter(results: Result[]): string {
	const lines = [...Map.groupBy(sideBySide(results), ({ name }) => name)].flatMap(([name, all]) => {
		const better = all.filter(({ theirs, ours, betterIs }) => {
			if (theirs.length === 0) return false;
			return betterIs === "lower" ? median(theirs) < median(ours) : median(theirs) > median(ours);
		});
		const betterPeers = better.map(({ peer, theirs, unit }) => `${peer} (${medianOf(theirs, unit)})`);
		const [first] = all;
		return betterPeers.length === 0
			? []
			: [`- ${name}, ours ${medianOf(first?.ours ?? [], first?.unit ?? "")}: ${betterPeers.join(", ")}\n`];
	});
	return lines.length === 0 ? "" : `Better than eventferry:\n\n${lines.join("")}\n`;
}

/** Table of the figures that have a target or are missing in the comparison table. */
function figureTable(results: Result[]): string {
	const compared = new Set(sideBySide(results));
	const shown = results.filter((result) => result.target || !compared.has(result));
	return table(
		["", "median", "spread", "target", "", "ours", "theirs", "why this target"],
		shown.map((result) => {
			const { unit, ours, theirs, target } = result;
			const values = judged(result);
			return [
				titleOf(result),
				medianOf(values, theirs.length === 0 ? unit : ""),
				spread(values),
				target ? targetText(target) : "",
				verdict(result),
				theirs.length === 0 ? "" : medianOf(ours, unit),
				medianOf(theirs, unit),
				target ? (reasonOf(result.name)?.why ?? "") : "",
			];
		}),
	);
}

const picture = (name: string, description: string) =>
	`<picture><source media="(prefers-color-scheme: dark)" srcset="./benchmarks-${name}-dark.svg"><img alt="${description}" src="./benchmarks-${name}.svg"></picture>\n\n`;

const resultsOf = ({ sections }: BenchRecord) => Object.values(sections).flatMap(({ results }) => results);
/** Measured benches with their records, in the order of `benches`. */
const measuredBenches = (measured: Measured) =>
	Object.entries(benches).flatMap(([name, bench]) => {
		const record = measured[name];
		return record ? [{ name, ...bench, record }] : [];
	});

function standing(measured: Measured): string {
	const targeted = measuredBenches(measured).flatMap(({ record }) => resultsOf(record).filter(({ target }) => target));
	const missed = targeted.filter((result) => !isMet(result));
	const lines = missed.map((result) => {
		const value = medianOf(judged(result), result.theirs.length === 0 ? result.unit : "");
		const reason = reasonOf(result.name)?.missed;
		const because = reason === undefined ? "" : `: ${reason}`;
		return `- ${titleOf(result)}: ${value}, asked for ${targetText(result.target ?? {})}${because}\n`;
	});
	return `## Where it stands

${targeted.length - missed.length} of ${targeted.length} targets are met${missed.length === 0 ? "." : ". Missed:"}

${lines.join("")}${lines.length > 0 ? "\n" : ""}${picture("targets", "How far from its target each figure is")}What must be 0 has no place in the picture; the tables below have it.

`;
}

/** Largest relative difference at which two runs agree. */
const tolerance = 0.1;
const key = ({ name, peer }: Result) => `${name}\n${peer}`;

/** Tells which figures with a target differed in a second run on the same machine. */
function secondRun(measured: Measured, again: Measured): string {
	const pairs = measuredBenches(measured).flatMap(({ name, title, record }) => {
		const other = again[name];
		const others = new Map(other?.machine === record.machine ? resultsOf(other).map((each) => [key(each), each]) : []);
		return resultsOf(record).flatMap((result) => {
			const second = result.target && others.get(key(result));
			return second
				? [{ title, result, second, values: [median(judged(result)), median(judged(second))] as const }]
				: [];
		});
	});
	if (pairs.length === 0) return "";
	const apart = pairs.filter(
		({ values: [a, b] }) => Math.abs(a - b) > tolerance * Math.min(Math.abs(a), Math.abs(b)) + Number.EPSILON,
	);
	const text = (result: Result) => medianOf(judged(result), result.theirs.length === 0 ? result.unit : "");
	const lines = apart.map(({ title, result, second }) => {
		const verdicts = [result, second].map((each) => verdictOf(each).toLowerCase());
		const both = verdicts[0] === verdicts[1] ? `${verdicts[0]} in both` : verdicts.join(", then ");
		return `- ${title}: ${titleOf(result)}: ${text(result)}, then ${text(second)}; asked for ${targetText(result.target ?? {})}: ${both}\n`;
	});
	return `### A second run

Of ${pairs.length} figures with a target, ${apart.length} differed by more than ${100 * tolerance} % in a second run on the same machine, [benchmarks-again.json](https://github.com/eventferry/eventferry/blob/main/docs/benchmarks-again.json)${apart.length === 0 ? "." : ":"}

${lines.join("")}${lines.length > 0 ? "\n" : ""}`;
}

const day = (at: string) => at.slice(0, 10);

function measuredOn(measured: Measured): string {
	return `## Measured on

${table(
	["bench", "day", "took", "machine", "with", "by"],
	measuredBenches(measured).map(({ title, record: { sections, machine, versions } }) => {
		const days = [...new Set(Object.values(sections).map(({ at }) => day(at)))].toSorted();
		const commands = [...new Set(Object.values(sections).map(({ command }) => `\`${command}\``))];
		const seconds = Object.values(sections).reduce((sum, section) => sum + section.seconds, 0);
		const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
		return [
			title,
			days.join(", "),
			`${Math.ceil(seconds / 60)} min`,
			machine,
			software.join(", "),
			commands.join(", "),
		];
	}),
)}`;
}

function benchPage({ name, title, about, record }: ReturnType<typeof measuredBenches>[number]): string {
	const failures = Object.values(record.sections).flatMap((section) => section.failures);
	const all = record.failure ? [...failures, `the last run ${record.failure}`] : failures;
	const sections = Object.entries(record.sections).map(([section, { results }]) => {
		const compared = comparisonTable(results);
		const chart = chartedMeasures(results).length === 0 ? "" : picture(`${name}-${section}`, `${title}: ${section}`);
		return [chart, compared, whoIsBetter(results), figureTable(results)].join("");
	});
	return `## ${title}

${about}

${all.length === 0 ? "" : `Not measured:\n\n${all.map((failure) => `- ${failure}\n`).join("")}\n`}${sections.join("")}`;
}

const intro = `# Benchmarks

What \`npm run bench\` measured last, written by it. eventferry's makers wrote the benches too, so read them as such: they are in \`test/bench\`, and one command repeats them.

Only ratios mean anything: ours ÷ a peer's, measured in turn, in one run, on one machine. Seconds, rates and CPU times are shown for context; on another machine all of them are different. A median stands before the lowest and the highest of its rounds; a target is met when the median meets it, and targets are older than the run. The raw numbers are in [benchmarks.json](https://github.com/eventferry/eventferry/blob/main/docs/benchmarks.json).

`;

/** Text of docs/benchmarks.md. `again` is a second run. */
export const page = (measured: Measured, again: Measured = {}): string =>
	`${[intro, standing(measured), secondRun(measured, again), measuredOn(measured), ...measuredBenches(measured).map(benchPage)].join("").trimEnd()}\n`;

/** Pictures of the page, by name. */
export function charts(measured: Measured): Record<string, Chart> {
	const all = measuredBenches(measured);
	const compared = all.flatMap(({ name, record }) =>
		Object.entries(record.sections).flatMap(([section, { results }]) => {
			const measures = chartedMeasures(results);
			return measures.length === 0 ? [] : [[`${name}-${section}`, comparisonChart(measures)] as const];
		}),
	);
	return { targets: targetsChart(all.flatMap(({ record }) => resultsOf(record))), ...Object.fromEntries(compared) };
}

/** Writes docs/benchmarks.md, its pictures, and the measured figures in README.md, docs/comparison.md and docs/scale.md. */
export function writeDocs(measured: Measured, again: Measured): void {
	writeFileSync("docs/benchmarks.md", page(measured, again));
	writeFileSync("README.md", withFigures(readFileSync("README.md", "utf8"), measured));
	writeFileSync("docs/comparison.md", withMeasured(readFileSync("docs/comparison.md", "utf8"), measured));
	writeFileSync("docs/scale.md", withMillion(readFileSync("docs/scale.md", "utf8"), measured));
	for (const [name, { light, dark }] of Object.entries(charts(measured))) {
		writeFileSync(`docs/benchmarks-${name}.svg`, light);
		writeFileSync(`docs/benchmarks-${name}-dark.svg`, dark);
	}
}
