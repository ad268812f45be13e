import { setTimeout as delay } from "node:timers/promises";
import type { Send } from "../providers/provider.ts";
import type { Purse } from "./budget.ts";
import type { Context } from "./context.ts";
import type { GroupHold } from "./group-hold.ts";

/** Longest wait for a token, ms. The caller of a route waits for the request. */
const tokenWaitMs = 10_000;

/**
 * Makes a function that sends requests other than deliveries. Each costs a token of the same budget, the reserve
 * included. None is sent while the destination is held. A stop ends waits and aborts requests.
 */
export function createSend({ provider, now, signal }: Context, purse: Purse, hold: GroupHold): Send {
	return async (request) => {
		const giveUpAt = now() + tokenWaitMs;
		for (;;) {
			if (signal.aborted) return { kind: "wait", reason: "stopped" };
			const held = hold.state();
			const { until = Number.POSITIVE_INFINITY } = held.kind === "running" ? { until: 0 } : held;
			if (held.kind !== "running" && until > now()) return { kind: "wait", reason: held.reason };
			const refillAt = await purse.fill();
			// The destination may have been paused meanwhile.
			if (hold.state() !== held) continue;
			if (purse.tokens() > 0) {
				purse.spend();
				return provider.send(request, signal);
			}
			if (refillAt !== undefined && refillAt > giveUpAt) return { kind: "wait", reason: "budget_exhausted" };
			await delay(Math.max(1, (refillAt ?? 0) - now()), undefined, { signal }).catch(() => {});
		}
	};
}
