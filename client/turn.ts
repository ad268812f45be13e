import { readLocal, removeLocal, writeLocal } from "./local.ts";

/** Past this many ms a turn is that of a tab that died; no request takes as long. */
const longest = 20_000;
/** Between two looks at a lease; of tabs that write theirs at the same moment, the last has it by then. */
const lookMs = 100;

/**
 * Runs `work` while no other tab of this name does. A turn is for one request only: a lasting lock keeps the page
 * out of the back/forward cache.
 */
export async function inTurn(name: string, work: () => Promise<boolean>): Promise<boolean> {
	if (navigator.locks) return navigator.locks.request(name, { signal: AbortSignal.timeout?.(longest) }, work);
	// A page on plain http has no locks, but a lease in localStorage: the time at which it runs out.
	const key = `${name}:lease`;
	let mine: number | undefined;
	do {
		const left = (readLocal(key) as number) - Date.now();
		// What a wrong clock left counts for nothing.
		if (!(left > 0 && left <= longest)) {
			mine = Date.now() + longest - Math.random();
			if (!writeLocal(key, mine)) break;
		}
		await new Promise((resolve) => setTimeout(resolve, lookMs));
	} while (readLocal(key) !== mine);
	return work().finally(() => removeLocal(key));
}
