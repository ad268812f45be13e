/** What a figure should be. */
export interface Target {
	atLeast?: number;
	atMost?: number;
}

/** One figure of a bench: ours, and a peer's of the same rounds of the same run. */
export interface Result {
	/** What is measured, without whose it is: "durable ingest". */
	name: string;
	/** Of `ours` and `theirs`: "events/s", "ms", "requests"; "" where they are plain numbers. */
	unit: string;
	/** One for each round. */
	ours: number[];
	/** One for each round, in the same order; empty where there is nobody to compare with. */
	theirs: number[];
	/** Whose `theirs` are; "" where there is nobody. */
	peer: string;
	betterIs: "higher" | "lower";
	/** Of ours ÷ theirs, of ours alone where there are no `theirs`; none where a figure is for information. */
	target?: Target;
}

export function median(values: number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	const middle = sorted.length >> 1;
	return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** What a target is about, round by round: ours ÷ theirs, or ours alone. */
export const judged = ({ ours, theirs }: Result): number[] =>
	theirs.length === 0 ? ours : ours.map((value, round) => value / (theirs[round] ?? Number.NaN));

/** Whether the median meets the target; undefined where there is none. */
export function isMet(result: Result): boolean | undefined {
	const { target } = result;
	if (!target) return undefined;
	const value = median(judged(result));
	return value >= (target.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (target.atMost ?? Number.POSITIVE_INFINITY);
}
