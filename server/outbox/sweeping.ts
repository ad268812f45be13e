import type { Logger } from "pino";
import type { Destination } from "./destination.ts";
import type { Outbox } from "./outbox.ts";

/** How often what has outlived its use is deleted, and how long dead letters and what is known of people are kept. */
const sweepEveryMs = 60_000;
const keptMs = 30 * 86_400_000;
/** A system clock that was set by more than this since the start makes every age doubtful. */
const doubtMs = 3_600_000;

interface Parts {
	/** What waits longer than `maxWait` (ms) at a destination is given up. */
	served: readonly { destination: Destination; maxWait: number }[];
	/** The clock that waiting is measured by. */
	now(): number;
	log: Logger;
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

/** Deletes what has outlived its use, and gives up what has waited too long; not while the time is in doubt. Returns the way to stop. */
export function startSweeping(outbox: Outbox, parts: Parts): () => void {
	const sweeping = setInterval(() => {
		sweep(outbox, parts).catch((error) => parts.log.error({ err: error }, "the store could not be swept"));
	}, sweepEveryMs);
	return () => clearInterval(sweeping);
}
