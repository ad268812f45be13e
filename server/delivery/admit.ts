import { setTimeout as delay } from "node:timers/promises";
import type { Admit } from "../providers/provider.ts";
import type { Purse } from "./budget.ts";
import type { Context } from "./context.ts";
import type { GroupHold } from "./group-hold.ts";

/** Longest wait for a token, ms: somebody waits for the request. */
const patienceMs = 10_000;

/**
 * Admits requests other than deliveries. Each costs a token of the same budget, the reserve included. None is admitted
 * while the destination is held. A stop ends waits and aborts admitted requests.
 */
export function createAdmit({ now, signal }: Context, purse: Purse, hold: GroupHold): Admit {
	return async () => {
		const giveUpAt = now() + patienceMs;
		for (;;) {
			if (signal.aborted) return { refused: "stopped" };
			const held = hold.state();
			if (held.kind !== "running" && held.until > now()) return { refused: held.reason };
			const refillAt = await purse.fill();
			if (purse.tokens() > 0) {
				purse.spend();
				return { signal };
			}
			if (refillAt !== undefined && refillAt > giveUpAt) return { refused: "budget_exhausted" };
			await delay(Math.max(1, (refillAt ?? 0) - now()), undefined, { signal }).catch(() => {});
		}
	};
}
