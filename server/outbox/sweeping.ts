import type { Logger } from "pino";
import type { Destination } from "./destination.ts";
import type { Outbox } from "./outbox.ts";

const sweepEveryMs = 60_000;
/** Time for which dead letters, and unused links and rows of `known`, are kept. */
const keptMs = 30 * 86_400_000;
/** Maximum difference of the steady and the system clock; above it nothing is deleted, as the system clock was set. */
const doubtMs = 3_600_000;

interface Parts {
	/** Destinations, with the maximum age of their deliveries, ms. */
	served: readonly { destination: Destination; maxWait: number }[];
	/** Steady clock by which waiting is measured. */
	now(): number;
	log: Logger;
	/** Called after each step with the number of deliveries that have expired. */
	expired(destination: Destination, count: number): void;
}

async function sweep(outbox: Outbox, { served, now: clock, expired }: Parts): Promise<void> {
	const now = clock();
	if (Math.abs(now - Date.now()) > doubtMs) return;
	await outbox.sweep({ now, before: now - keptMs });
	for (const { destination, maxWait } of served) {
		let count = 0;
		do {
			count = await outbox.expire({ destination, before: now - maxWait, now });
			expired(destination, count);
		} while (count > 0);
	}
}

/** Sweeps the store and ends deliveries older than `maxWait` at intervals; returns a function that stops it. */
export function startSweeping(outbox: Outbox, parts: Parts): () => void {
	const sweeping = setInterval(() => {
		sweep(outbox, parts).catch((error) => parts.log.error({ err: error }, "old data could not be deleted"));
	}, sweepEveryMs);
	return () => clearInterval(sweeping);
}
