/**
 * Clock in whole ms since the epoch. It starts at the system's time and then runs on by itself, so that no wait becomes
 * shorter or longer when the system's clock is set.
 */
export function steadyClock(system: () => number, elapsed: () => number): () => number {
	const start = system() - elapsed();
	return () => Math.floor(start + elapsed());
}
