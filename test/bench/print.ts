import { isMet, judged, median, type Result, type Target } from "./result.ts";

/** Formats a number with about three digits, and with one more near 1, where targets are decided. */
export function short(value: number): string {
	const size = Math.abs(value);
	if (Number.isInteger(value) || size >= 1_000) return Math.round(value).toLocaleString("en");
	if (size >= 10) return value.toFixed(size >= 100 ? 0 : 1);
	return value.toFixed(size > 0.9 && size < 1.1 ? 3 : 2);
}

/** Formats the lowest and the highest value; empty if all values are equal. */
export const spread = (values: number[]): string =>
	new Set(values).size < 2 ? "" : `${short(Math.min(...values))}-${short(Math.max(...values))}`;

const withUnit = (value: number, unit: string) => (unit === "" ? short(value) : `${short(value)} ${unit}`);

/** Formats a median with its unit; empty if there are no values. */
export const medianOf = (values: number[], unit: string): string =>
	values.length === 0 ? "" : withUnit(median(values), unit);

/** Formats a median, followed by the lowest and the highest value if they differ. */
export function withSpread(values: number[], unit: string): string {
	const range = spread(values);
	return range === "" ? medianOf(values, unit) : `${medianOf(values, unit)} (${range})`;
}

/** Formats a target, for example `≥ 0.5` or `0.95-1`. */
export function targetText({ atLeast, atMost }: Target): string {
	if (atLeast === undefined) return `≤ ${short(atMost ?? 0)}`;
	return atMost === undefined ? `≥ ${short(atLeast)}` : `${short(atLeast)}-${short(atMost)}`;
}

/** Aligns cells in columns, each as wide as its widest cell. */
function columns(lines: string[][]): string {
	const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
	return lines
		.map((line) => `${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd())
		.join("\n");
}

/** Returns "met" or "MISSED"; empty if there is no target. */
export function verdictOf(result: Result): string {
	const met = isMet(result);
	return met === undefined ? "" : met ? "met" : "MISSED";
}

/** Selects results of the measures that have more than two results; they are shown side by side. */
export const sideBySide = (results: Result[]): Result[] => {
	const byName = Map.groupBy(results, ({ name }) => name);
	return results.filter(({ name }) => (byName.get(name)?.length ?? 0) > 2);
};

/** Table of medians side by side, for a terminal; empty if no measure has more than two results. */
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

/** Table of the results that have a target or are missing in `comparison`, for a terminal. */
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

/** Results and failures of a bench, for a terminal. */
export const tables = (results: Result[], failures: string[]): string =>
	[comparison(results), resultTable(results), failures.map((failure) => `failed: ${failure}`).join("\n")]
		.filter((table) => table !== "")
		.join("\n\n");
