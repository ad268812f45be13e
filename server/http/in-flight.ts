import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { RequestHandler } from "express";
import { StoreUnavailableError } from "../outbox/outbox.ts";

/** What is being taken in, so that a stop can let it finish. */
export interface InFlight {
	/** Lets requests begin, until the stop. */
	admit: RequestHandler;
	/** Remembers work in-process. */
	during<Result>(work: Promise<Result>): Promise<Result>;
	/** Lets nothing begin any more; resolves when what had begun has ended, at the latest after `graceMs`. */
	end(graceMs: number): Promise<void>;
	/** Lets things begin again. */
	resume(): void;
	isEnding(): boolean;
	/** The same getter, which throws from the stop on: for requests that a stop does not wait for. */
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
