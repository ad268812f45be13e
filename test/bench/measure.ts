/** A line of the table: a ratio measured several times within one run, and what issue 4 asks of it. */
export interface Row {
	what: string;
	values: number[];
	target: string;
	meets(value: number): boolean;
	/** Absolute figures, which mean nothing on another machine. */
	note?: string;
	unit?: string;
}

export function median(values: number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	const middle = sorted.length >> 1;
	return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

export const atLeast = (target: number) => (value: number) => value >= target;
export const atMost = (target: number) => (value: number) => value <= target;

const show = (value: number) => value.toFixed(value < 10 ? 2 : 1);
export const thousands = (value: number) => `${Math.round(value / 1_000)}k`;

export function print(rows: Row[]): void {
	const cells = rows.map(({ what, values, target, meets, note = "", unit = "" }) => [
		what,
		`${show(median(values))}${unit}`,
		`${show(Math.min(...values))}-${show(Math.max(...values))}`,
		target,
		meets(median(values)) ? "yes" : "NO",
		note,
	]);
	const table = [["", "median", "spread", "target", "met", ""], ...cells];
	const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
	for (const row of table) {
		process.stdout.write(
			`${row
				.map((cell, column) => cell.padEnd(widths[column] ?? 0))
				.join("  ")
				.trimEnd()}\n`,
		);
	}
}
