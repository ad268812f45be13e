import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { StoreUnavailableError } from "../outbox/outbox.ts";

/** Tracks the work that has begun and not ended, so that a stop can let it finish. */
export function createInFlight() {
	const begun = new Set<Promise<unknown>>();
	let isEnding = false;

	/** Makes a function throw `StoreUnavailableError` once a stop has begun. A stop does not wait for its calls. */
	const unlessEnding =
		<Value>(get: () => Value) =>
		(): Value => {
			if (isEnding) throw new StoreUnavailableError("the proxy is stopping");
			return get();
		};

	/** Begins work and counts it until it settles. Throws `StoreUnavailableError` once a stop has begun. */
	function during<Result>(begin: () => Promise<Result>): Promise<Result> {
		const work = unlessEnding(begin)();
		const ended = work.catch(() => {}).then(() => void begun.delete(ended));
		begun.add(ended);
		return work;
	}

	/** Counts a request as work until its answer has left. Throws `StoreUnavailableError` once a stop has begun. */
	function admit(_request: unknown, response: ServerResponse, next: () => void): void {
		void during(() => once(response, "close"));
		next();
	}

	return {
		unlessEnding,
		during,
		admit,
		/** Begins the stop; resolves when all work has ended, after `graceMs` at the latest. */
		async end(graceMs: number): Promise<void> {
			isEnding = true;
			const waited = new AbortController();
			await Promise.race([Promise.all(begun), delay(graceMs, undefined, { signal: waited.signal }).catch(() => {})]);
			waited.abort();
		},
		/** Ends the stop: lets work begin again. */
		resume(): void {
			isEnding = false;
		},
		isEnding: () => isEnding,
	};
}
