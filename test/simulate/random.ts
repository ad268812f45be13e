/** Random decisions that a seed determines. */
export interface Random {
	/** Returns a number from 0 up to, not including, 1. */
	next(): number;
	chance(probability: number): boolean;
	/** Returns a number from `low` up to, not including, `high`. */
	between(low: number, high: number): number;
	/** Returns a whole number from `low` to `high`, both included. */
	whole(low: number, high: number): number;
	pick<Item>(items: readonly [Item, ...Item[]]): Item;
	/** Returns a number of an exponential distribution with this mean. */
	around(mean: number): number;
}

/** Creates a generator, Mulberry32: https://github.com/bryc/code/blob/master/jshash/PRNGs.md#mulberry32 */
export function createRandom(seed: number): Random {
	let state = seed >>> 0;
	function next(): number {
		state = (state + 0x6d2b79f5) >>> 0;
		let word = Math.imul(state ^ (state >>> 15), state | 1);
		word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
		return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
	}
	const between = (low: number, high: number) => low + next() * (high - low);
	return {
		next,
		chance: (probability) => next() < probability,
		between,
		whole: (low, high) => Math.floor(between(low, high + 1)),
		pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
		around: (mean) => -Math.log(1 - next()) * mean,
	};
}
