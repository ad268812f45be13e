import { setTimeout as delay } from "node:timers/promises";
import type { Settlement } from "../outbox/outbox.ts";
import type { Context } from "./context.ts";

/**
 * Makes a function that settles a lease and resolves to whether the settlement was stored. It tries again however often
 * the store fails: the request was sent and must not be sent twice. It calls `onReady` once a take can find the lane
 * that the settlement made ready.
 */
export function createSettle({ outbox, retryMs, signal, report }: Context, onReady: () => void) {
	return async (settlement: Settlement): Promise<boolean> => {
		for (;;) {
			try {
				const storing = outbox.settle(settlement);
				// An unshared store answers in order: a take asked for now sees the settlement, and shares its commit.
				if (!outbox.isShared) onReady();
				const isSettled = await storing;
				if (outbox.isShared) onReady();
				if (!isSettled) report({ kind: "lost" });
				return isSettled;
			} catch (error) {
				report({ kind: "fault", message: "a delivery could not be settled", error });
				if (signal.aborted) return false;
				await delay(retryMs, undefined, { signal }).catch(() => {});
			}
		}
	};
}
