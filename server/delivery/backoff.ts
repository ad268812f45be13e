/**
 * Exponential backoff with full jitter: a random wait between 0 and a bound, which doubles from `firstMs` to `mostMs`.
 * `failures` counts from 1.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function fullJitter(failures: number, random: () => number, firstMs = 1_000, mostMs = 900_000): number {
	return Math.round(random() * doubling(failures, firstMs, mostMs));
}

/** Exponential backoff: `firstMs` after the first failure, twice that after the second, at most `mostMs`. */
export function doubling(failures: number, firstMs: number, mostMs: number): number {
	return Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
}
