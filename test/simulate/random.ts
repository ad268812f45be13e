/** Random decisions that follow from a seed alone. */
export interface Random {
	/** 0 ≤ n < 1. */
	next(): number;
	chance(probability: number): boolean;
	/** A number from `low` up to, not including, `high`. */
	between(low: number, high: number): number;
	whole(low: number, high: number): number;
	pick<Item>(items: readonly [Item, ...Item[]]): Item;
	/** Exponentially distributed around a mean. */
	around(mean: number): number;
}

/** Mulberry32: one 32-bit word of state, which is enough for a shop's visitors. */
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
