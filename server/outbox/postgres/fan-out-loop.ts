import { setTimeout as delay } from "node:timers/promises";
import { StoreUnavailableError } from "../errors.ts";
import { fanOutSize, retryMs } from "../limits.ts";
import type { Discarded } from "../outbox.ts";
import { codeOf } from "./connection.ts";
import type { createFanOut } from "./fan-out.ts";

/** Delay before the next try when another process was fanning out. */
const lookAgainMs = 20;

/** Recognises a failure that a batch causes itself, because it cannot be read or stored. */
function isOfBatch(error: unknown): boolean {
	const cause = error instanceof StoreUnavailableError ? error.cause : error;
	if (cause instanceof SyntaxError || cause instanceof TypeError || cause instanceof RangeError) return true;
	// Data exceptions, violated constraints, limits: https://www.postgresql.org/docs/current/errcodes-appendix.html
	return /^(22|23|54)/.test(codeOf(error) ?? "");
}

/** Makes a loop that fans out in the background: it runs from `start` until the journal is empty. */
export function createFanOutLoop(
	{ fanOut, setAside }: ReturnType<typeof createFanOut>,
	{ onDone, onFault }: { onDone(discarded: Discarded[]): void; onFault(message: string, error: unknown): void },
) {
	const stopping = new AbortController();
	let running: Promise<void> | undefined;
	let isRunning = false;
	let isWanted = false;
	/** Maximum number of events in a transaction. Lower after a failure, as a slow database can still do small ones. */
	let most = fanOutSize;

	async function afterFailure(error: unknown): Promise<void> {
		const why = error instanceof Error ? error.message : String(error);
		if (isOfBatch(error) && most === 1) {
			onFault(`a batch could not be fanned out and is set aside: ${why}`, error);
			await setAside(why).catch(() => {});
			return;
		}
		onFault(`events could not be fanned out, which is tried again: ${why}`, error);
		most = isOfBatch(error) ? 1 : Math.max(1, Math.floor(most / 4));
		if (!isOfBatch(error)) await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
	}

	async function run(): Promise<void> {
		isRunning = true;
		while (isWanted && !stopping.signal.aborted) {
			isWanted = false;
			try {
				const { batches, isBusy, discarded } = await fanOut(Date.now(), most);
				if (isBusy) {
					isWanted = true;
					await delay(lookAgainMs, undefined, { signal: stopping.signal }).catch(() => {});
				}
				if (batches === 0) continue;
				most = Math.min(fanOutSize, most * 2);
				isWanted = true;
				onDone(discarded);
			} catch (error) {
				isWanted = true;
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
