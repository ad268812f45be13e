import { setTimeout as delay } from "node:timers/promises";
import type { Settlement } from "../outbox/outbox.ts";
import type { Context } from "./context.ts";

/**
 * Makes a function that settles a lease and resolves to whether the settlement was stored. Retries without
 * limit while the store fails, because the request was sent and must not be sent twice. Calls `onReady` with the time
 * from which the lane, or the person's next one, can be taken, unless there is none.
 */
export function createSettle({ outbox, retryMs, signal, notify }: Context, onReady: (at: number) => void) {
	return async (settlement: Settlement): Promise<boolean> => {
		for (;;) {
			try {
				const settled = await outbox.settle(settlement);
				const { failed, postponedTo } = settlement;
				if (settled !== "gone") onReady(settled === "yields" ? 0 : (failed?.dueAt ?? postponedTo ?? 0));
				if (settled === "lost") notify({ kind: "lost" });
				return settled !== "lost";
			} catch (error) {
				notify({ kind: "fault", message: "a delivery could not be settled", error });
				if (signal.aborted) return false;
				await delay(retryMs, undefined, { signal }).catch(() => {});
			}
		}
	};
}
