/** Returns the result of `work`, or undefined if it throws. */
export function attempt<Result>(work: () => Result): Result | undefined {
	try {
		return work();
	} catch {}
}
