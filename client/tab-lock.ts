import { readLocal, removeLocal, writeLocal } from "./local.ts";

/** Longest time in ms for which a tab holds the lock. No request takes as long, so an older lease is of a dead tab. */
const longest = 20_000;
/**
 * Interval in ms between two looks at the lease. If several tabs write a lease at the same time, the last write wins
 * within this interval.
 */
const lookMs = 100;

/**
 * Runs `work` while no other tab runs work under the same name. Runs it without a lock if the browser offers neither Web
 * Locks nor localStorage. The lock is for one request only, as a page that holds one is kept out of the back/forward
 * cache: https://developer.mozilla.org/docs/Web/API/NotRestoredReasonDetails/reason
 */
export async function withTabLock(name: string, work: () => Promise<boolean>): Promise<boolean> {
	if (navigator.locks) return navigator.locks.request(name, { signal: AbortSignal.timeout?.(longest) }, work);
	// Pages on plain http have no Web Locks, and use a lease instead: a time in localStorage, at which it ends.
	// https://developer.mozilla.org/docs/Web/API/Web_Locks_API
	const key = `${name}:lease`;
	let mine: number | undefined;
	do {
		const left = (readLocal(key) as number) - Date.now();
		// A lease for longer than `longest` was written under a wrong clock.
		if (!(left > 0 && left <= longest)) {
			// The fraction tells tabs apart that write in the same millisecond.
			mine = Date.now() + longest - Math.random();
			// A localStorage that is denied or full cannot hold a lease.
			if (!writeLocal(key, mine)) break;
		}
		await new Promise((resolve) => setTimeout(resolve, lookMs));
	} while (readLocal(key) !== mine);
	return work().finally(() => removeLocal(key));
}
