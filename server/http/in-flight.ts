import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { StoreUnavailableError } from "../outbox/outbox.ts";

/** Tracks work that is under way, so that a stop can let it finish. */
export function createInFlight() {
	const work = new Set<Promise<unknown>>();
	let isStopping = false;

	/** Makes a function throw `StoreUnavailableError` once a stop has begun. The stop does not wait for calls of it. */
	const unlessStopping =
		<Value>(get: () => Value) =>
		(): Value => {
			if (isStopping) throw new StoreUnavailableError("the proxy is stopping");
			return get();
		};

	/** Begins work and counts it until it settles. Throws `StoreUnavailableError` once a stop has begun. */
	function run<Result>(begin: () => Promise<Result>): Promise<Result> {
		const result = unlessStopping(begin)();
		const ended = result.catch(() => {}).then(() => void work.delete(ended));
		work.add(ended);
		return result;
	}

	/** Counts a request as work until it is answered or aborted. Throws `StoreUnavailableError` once a stop has begun. */
	function admit(_request: unknown, response: ServerResponse, next: () => void): void {
		void run(() => once(response, "close"));
		next();
	}

	return {
		unlessStopping,
		run,
		admit,
		/** Begins the stop. Resolves when all work has ended, after `graceMs` at the latest. */
		async drain(graceMs: number): Promise<void> {
			isStopping = true;
			const waited = new AbortController();
			await Promise.race([Promise.all(work), delay(graceMs, undefined, { signal: waited.signal }).catch(() => {})]);
			waited.abort();
		},
		/** Ends the stop: lets work begin again. */
		resume(): void {
			isStopping = false;
		},
		isStopping: () => isStopping,
	};
}
