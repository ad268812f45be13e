import { readLocal, removeLocal, writeLocal } from "./local.ts";

/** Longest turn of a tab, in ms. No request takes as long, so a tab whose lease has ended is dead. */
const longest = 20_000;
/** Interval in ms between two looks at the lease. Of tabs that write theirs together, the last one has it by then. */
const lookMs = 100;

/**
 * Runs `work` while no other tab does so under this name. A turn is for one request only, as a page that holds a lock
 * is kept out of the back/forward cache.
 * https://developer.mozilla.org/docs/Web/API/NotRestoredReasonDetails/reason
 */
export async function inTurn(name: string, work: () => Promise<boolean>): Promise<boolean> {
	if (navigator.locks) return navigator.locks.request(name, { signal: AbortSignal.timeout?.(longest) }, work);
	// Pages on plain http have no Web Locks, and use a lease instead: a time in localStorage, at which it ends.
	// https://developer.mozilla.org/docs/Web/API/Web_Locks_API
	const key = `${name}:lease`;
	let mine: number | undefined;
	do {
		const left = (readLocal(key) as number) - Date.now();
		// A lease for longer than that was written under a wrong clock.
		if (!(left > 0 && left <= longest)) {
			// The fraction tells tabs apart that write in the same millisecond.
			mine = Date.now() + longest - Math.random();
			if (!writeLocal(key, mine)) break;
		}
		await new Promise((resolve) => setTimeout(resolve, lookMs));
	} while (readLocal(key) !== mine);
	return work().finally(() => removeLocal(key));
}
