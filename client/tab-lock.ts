import { within } from "./attempt.ts";
import { readLocal, removeLocal, writeLocal } from "./local.ts";
import { readClock } from "./originals.ts";

/**
 * Longest time in ms for which a tab holds the lock. A request that is repeated uncompressed does not take as long, so an
 * older lease is of a dead tab.
 */
const longest = 30_000;
/**
 * Interval in ms between two looks at the lease. If several tabs write a lease at the same time, the last write wins
 * within this interval.
 */
const lookMs = 100;

/**
 * Creates a function that runs `work` while no other tab runs work under the same name. It does so without a lock if the
 * browser refuses both Web Locks and localStorage. A lock is for one request only, as a page that holds one is kept out
 * of the back/forward cache: https://developer.mozilla.org/docs/Web/API/NotRestoredReasonDetails/reason
 */
export const createTabLock = (name: string) => {
	/** True once Web Locks have failed, or have not answered in time. */
	let isBroken = false;

	return async (work: () => Promise<boolean>): Promise<boolean> => {
		let running: Promise<boolean> | undefined;
		const begin = () => (running = work());
		await (isBroken ||
			within(longest, (signal) => navigator.locks.request(name, { signal: signal as AbortSignal }, begin)).catch(() => {
				isBroken = true;
			}));
		if (running) return running;
		// Pages on plain http have no Web Locks, and use a lease instead: a time in localStorage, at which it ends.
		// https://developer.mozilla.org/docs/Web/API/Web_Locks_API
		const key = `${name}:lease`;
		const left = (readLocal(key) as number) - readClock();
		// A lease for longer than `longest` was written under a wrong clock.
		if (left > 0 && left <= longest) return false;
		// The fraction tells tabs apart that write in the same millisecond.
		const mine = readClock() + longest - Math.random();
		// A localStorage that is denied or full cannot hold a lease.
		if (writeLocal(key, mine)) {
			await new Promise((resolve) => setTimeout(resolve, lookMs));
			if (readLocal(key) !== mine) return false;
		}
		return work().finally(() => removeLocal(key));
	};
};
