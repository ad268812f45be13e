import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { RequestHandler } from "express";
import { StoreUnavailableError } from "../outbox/outbox.ts";

/** The work that has begun and not ended, so that a stop can let it finish. */
export interface InFlight {
	/** Counts a request as work until its answer has left. Throws `StoreUnavailableError` from the stop on. */
	admit: RequestHandler;
	/** Counts a promise as work until it settles; returns it. */
	during<Result>(work: Promise<Result>): Promise<Result>;
	/** Begins the stop; resolves when all work has ended, after `graceMs` at the latest. */
	end(graceMs: number): Promise<void>;
	/** Ends the stop: lets work begin again. */
	resume(): void;
	isEnding(): boolean;
	/**
	 * Wraps a getter so that it throws `StoreUnavailableError` from the stop on; for work that a stop does not wait for.
	 */
	unlessEnding<Value>(get: () => Value): () => Value;
}

export function createInFlight(): InFlight {
	const begun = new Set<Promise<unknown>>();
	let isEnding = false;
	function during<Result>(work: Promise<Result>): Promise<Result> {
		const ended = work.catch(() => {}).then(() => void begun.delete(ended));
		begun.add(ended);
		return work;
	}
	function refuseIfEnding(): void {
		if (isEnding) throw new StoreUnavailableError("the proxy is stopping");
	}
	return {
		during,
		admit(_request, response, next) {
			refuseIfEnding();
			void during(once(response, "close"));
			next();
		},
		async end(graceMs) {
			isEnding = true;
			const waited = new AbortController();
			await Promise.race([Promise.all(begun), delay(graceMs, undefined, { signal: waited.signal }).catch(() => {})]);
			waited.abort();
		},
		resume() {
			isEnding = false;
		},
		isEnding: () => isEnding,
		unlessEnding: (get) => () => {
			refuseIfEnding();
			return get();
		},
	};
}
