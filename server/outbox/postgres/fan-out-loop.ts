import { setTimeout as delay } from "node:timers/promises";
import { batchFailure, StoreUnavailableError } from "../errors.ts";
import { fanOutSize, retryMs } from "../limits.ts";
import type { Discarded } from "../outbox.ts";
import { type createFanOut, isOfBatch } from "./fan-out.ts";

/** Delay before the next try while the lock may still be that of a failed transaction, whose connection was closed. */
const releasedMs = 20;

/**
 * Makes a loop that fans out in the background. It ends when the journal is empty or another transaction has the lock.
 * Each transaction that had the lock is followed by a look at the journal without it, so no batch is overlooked. If the
 * process of that transaction is gone, the next beat of another process starts a loop.
 */
export function createFanOutLoop(
	{ fanOut, isWaiting }: Pick<ReturnType<typeof createFanOut>, "fanOut" | "isWaiting">,
	{
		now,
		onDone,
		onFault,
	}: { now(): number; onDone(discarded: Discarded[]): void; onFault(message: string, error: unknown): void },
) {
	const stopping = new AbortController();
	let running: Promise<void> | undefined;
	let isRunning = false;
	let isWanted = false;
	/** True from a failure until the lock is free again. */
	let hasFailed = false;
	/**
	 * Maximum number of events in a transaction. Lower after a failure, as a slow database can still do small ones, and
	 * after one that left batches out, as it has read them in vain.
	 */
	let most = fanOutSize;

	async function afterFailure(error: unknown): Promise<void> {
		const cause = error instanceof StoreUnavailableError ? (error.cause ?? error) : error;
		onFault(`events could not be fanned out, which is tried again: ${batchFailure(cause)}`, error);
		const isAlone = most === 1;
		most = isOfBatch(cause) ? 1 : Math.max(1, Math.floor(most / 4));
		if (isAlone || !isOfBatch(cause)) await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
	}

	async function run(): Promise<void> {
		isRunning = true;
		while (isWanted && !stopping.signal.aborted) {
			isWanted = false;
			try {
				const { batches, isBusy, discarded, cutAt, setAside } = await fanOut(now(), most);
				hasFailed = setAside !== undefined || (hasFailed && isBusy);
				if (setAside) onFault(`a batch could not be fanned out and is set aside: ${setAside.reason}`, setAside.error);
				if (batches > 0) {
					most = Math.min(fanOutSize, 2 * (cutAt ?? most));
					onDone(discarded);
				}
				if (isBusy && hasFailed) {
					isWanted = true;
					await delay(releasedMs, undefined, { signal: stopping.signal }).catch(() => {});
				}
				isWanted ||= !isBusy && (await isWaiting());
			} catch (error) {
				isWanted = true;
				hasFailed = true;
				await afterFailure(error);
			}
		}
		isRunning = false;
	}

	return {
		/** Starts the loop, or makes it look for batches once more. */
		start(): void {
			isWanted = true;
			if (!isRunning) running = run();
		},
		async stop(): Promise<void> {
			stopping.abort();
			while (isRunning) await running;
		},
	};
}
