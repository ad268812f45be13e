/** Does work of a browser API that may be missing or throw. Undefined if it does. */
export const attempt = <Result>(work: () => Result): Result | undefined => {
	try {
		return work();
	} catch {}
};

/**
 * Does work of a browser API that may also reject, or never settle. Settles as the work does; rejects without a reason
 * after `ms`, and then aborts the signal. `AbortSignal.timeout()` would not do, as Safari has it only since 16.
 */
export const within = <Result>(
	ms: number,
	work: (signal: AbortSignal | undefined) => Promise<Result>,
): Promise<Result> =>
	new Promise((resolve, reject) => {
		const limit = attempt(() => new AbortController());
		const timer = attempt(() =>
			setTimeout(() => {
				reject("late");
				limit?.abort();
			}, ms),
		);
		// A throw, or an API that returns no promise, rejects too.
		work(limit?.signal).then((result) => {
			clearTimeout(timer);
			resolve(result);
		}, reject);
	});
