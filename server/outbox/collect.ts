import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Time after the start of a thread at which what it loaded and no longer needs is given back, ms. */
const settledMs = 1_000;

/**
 * Collects this thread's garbage once, soon after its start. V8 would keep the memory that only the start needed, some
 * 5 MB of each thread, until there is more garbage. Node has no other way to ask: https://nodejs.org/api/v8.html
 */
export function collectOnce(): void {
	const timer = setTimeout(() => {
		setFlagsFromString("--expose-gc");
		// Undefined if another thread, which does the same, has just taken the process's flag back.
		const collect = runInNewContext("globalThis.gc");
		setFlagsFromString("--no-expose-gc");
		collect?.({ type: "major", execution: "sync", flavor: "last-resort" });
	}, settledMs);
	timer.unref();
}
