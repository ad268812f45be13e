/** Bounds that a figure should keep. */
export interface Target {
	atLeast?: number;
	atMost?: number;
}

/** Figure of a bench: eventferry's values and a peer's, from the same rounds of the same run. */
export interface Result {
	/** Name of the measure without the peer, for example "durable ingest". */
	name: string;
	/** Unit of `ours` and `theirs`, for example "events/s", "ms"; "" for plain numbers. */
	unit: string;
	/** Values of eventferry, one per round. */
	ours: number[];
	/** Values of the peer, in the same order; empty without a peer. */
	theirs: number[];
	/** Name of the peer; "" without a peer. */
	peer: string;
	betterIs: "higher" | "lower";
	/** Target for ours ÷ theirs, or for ours without a peer; absent if the figure is only for information. */
	target?: Target;
}

export function median(values: number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	const middle = sorted.length >> 1;
	return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Values that a target applies to, one per round: ours ÷ theirs, or ours without a peer. */
export const judged = ({ ours, theirs }: Result): number[] =>
	theirs.length === 0 ? ours : ours.map((value, round) => value / (theirs[round] ?? Number.NaN));

/** Returns true if the median meets the target; undefined if there is no target. */
export function isMet(result: Result): boolean | undefined {
	const { target } = result;
	if (!target) return undefined;
	const value = median(judged(result));
	return value >= (target.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (target.atMost ?? Number.POSITIVE_INFINITY);
}
