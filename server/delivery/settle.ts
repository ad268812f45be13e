import { setTimeout as delay } from "node:timers/promises";
import type { Outbox, Settlement } from "../outbox/outbox.ts";

export interface SettleOptions {
	outbox: Pick<Outbox, "settle" | "isShared">;
	/** Wait before a failed settlement is tried again, ms. */
	retryMs: number;
	/** Ends the retries. */
	signal: AbortSignal;
	/** Called once a take can find the lane that the settlement made ready. */
	onReady(): void;
	/** Called if the lease had ended before. */
	onLost(): void;
	onFault(error: unknown): void;
}

/**
 * Makes a function that settles a lease and resolves to whether the settlement was stored. It tries again however often
 * the store fails: the request was sent and must not be sent twice.
 */
export function createSettle({ outbox, retryMs, signal, onReady, onLost, onFault }: SettleOptions) {
	return async (settlement: Settlement): Promise<boolean> => {
		for (;;) {
			try {
				const storing = outbox.settle(settlement);
				// An unshared store answers in order: a take asked for now sees the settlement, and shares its commit.
				if (!outbox.isShared) onReady();
				const isSettled = await storing;
				if (outbox.isShared) onReady();
				if (!isSettled) onLost();
				return isSettled;
			} catch (error) {
				onFault(error);
				if (signal.aborted) return false;
				await delay(retryMs, undefined, { signal }).catch(() => {});
			}
		}
	};
}
