/**
 * A clock that follows the system's forwards and never goes back: when the system's is set back, it goes on
 * from where it was, so that nothing waits for the time to come round again.
 */
export function steadyClock(system: () => number): () => number {
	let last = Number.NEGATIVE_INFINITY;
	let ahead = 0;
	return () => {
		const now = system();
		if (now + ahead < last) ahead = last - now;
		last = now + ahead;
		return last;
	};
}
