import { isMet, judged, median, type Result, type Target } from "./result.ts";

/** A number as short as it can be read: three digits or so, one more beside 1, where it decides. */
export function short(value: number): string {
	const size = Math.abs(value);
	if (Number.isInteger(value) || size >= 1_000) return Math.round(value).toLocaleString("en");
	if (size >= 10) return value.toFixed(size >= 100 ? 0 : 1);
	return value.toFixed(size > 0.9 && size < 1.1 ? 3 : 2);
}

/** The lowest and the highest; nothing where they are the same. */
export const spread = (values: number[]): string =>
	new Set(values).size < 2 ? "" : `${short(Math.min(...values))}-${short(Math.max(...values))}`;

const withUnit = (value: number, unit: string) => (unit === "" ? short(value) : `${short(value)} ${unit}`);

/** A median with its unit; nothing where there are no values. */
export const medianOf = (values: number[], unit: string): string =>
	values.length === 0 ? "" : withUnit(median(values), unit);

/** A median and, where there were several rounds, the lowest and the highest. */
export function withSpread(values: number[], unit: string): string {
	const range = spread(values);
	return range === "" ? medianOf(values, unit) : `${medianOf(values, unit)} (${range})`;
}

export function targetText({ atLeast, atMost }: Target): string {
	if (atLeast === undefined) return `≤ ${short(atMost ?? 0)}`;
	return atMost === undefined ? `≥ ${short(atLeast)}` : `${short(atLeast)}-${short(atMost)}`;
}

/** Texts in columns as wide as the widest of each. */
function columns(lines: string[][]): string {
	const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
	return lines
		.map((line) => `${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd())
		.join("\n");
}

/** "met" or "MISSED"; nothing where there is no target. */
export function verdictOf(result: Result): string {
	const met = isMet(result);
	return met === undefined ? "" : met ? "met" : "MISSED";
}

/** Those who were asked the same as several others: they are shown side by side. */
export const sideBySide = (results: Result[]): Result[] => {
	const peersOf = Map.groupBy(results, ({ name }) => name);
	return results.filter(({ name }) => (peersOf.get(name)?.length ?? 0) > 2);
};

/** Medians of all, side by side, for a terminal; nothing where only two are compared. */
export function comparison(results: Result[]): string {
	const compared = sideBySide(results);
	const peers = [...new Set(compared.map(({ peer }) => peer))].filter((peer) => peer !== "");
	const lines = [...Map.groupBy(compared, ({ name }) => name)].map(([name, all]) => {
		const [first] = all;
		const theirs = peers.map((peer) => all.find((result) => result.peer === peer)?.theirs ?? []);
		const unit = first?.unit ? `${name}, ${first.unit}` : name;
		return [unit, ...[first?.ours ?? [], ...theirs].map((values) => medianOf(values, ""))];
	});
	return lines.length === 0 ? "" : columns([["", "eventferry", ...peers], ...lines]);
}

/** Results that have a target, and those that `comparison` does not show, as a table for a terminal. */
export function resultTable(results: Result[]): string {
	const compared = new Set(sideBySide(results));
	const lines = results
		.filter((result) => result.target || !compared.has(result))
		.map((result) => {
			const { name, peer, unit, ours, theirs, target } = result;
			const values = judged(result);
			return [
				peer === "" ? name : `${name} ÷ ${peer}`,
				medianOf(values, theirs.length === 0 ? unit : ""),
				spread(values),
				target ? targetText(target) : "",
				verdictOf(result),
				theirs.length === 0 ? "" : `${medianOf(ours, unit)} and ${medianOf(theirs, unit)}`,
			];
		});
	return lines.length === 0 ? "" : columns([["", "median", "spread", "target", "", "ours and theirs"], ...lines]);
}

/** All that a bench has found, for a terminal. */
export const tables = (results: Result[], failures: string[]): string =>
	[comparison(results), resultTable(results), failures.map((failure) => `failed: ${failure}`).join("\n")]
		.filter((table) => table !== "")
		.join("\n\n");
