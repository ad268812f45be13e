/**
 * A clock that starts at the system's time and then runs on by itself: when the system's is set, back or
 * forth, nothing that waits becomes due at once or has to wait for the time to come round again.
 * In whole ms since the epoch.
 */
export function steadyClock(system: () => number, elapsed: () => number): () => number {
	const start = system() - elapsed();
	return () => Math.floor(start + elapsed());
}
