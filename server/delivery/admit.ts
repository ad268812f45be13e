import { setTimeout as delay } from "node:timers/promises";
import type { Admit } from "../providers/provider.ts";
import type { Purse } from "./budget.ts";
import type { DestinationState } from "./hold.ts";

/** Longest wait for a token, ms: somebody waits for the request. */
const patienceMs = 10_000;

export interface AdmitOptions {
	purse: Purse;
	state(): DestinationState;
	now(): number;
	/** Ends waits and aborts admitted requests. */
	signal: AbortSignal;
}

/**
 * Admits requests other than deliveries. Each costs a token of the same budget, the reserve included. None is admitted
 * while the destination is held.
 */
export function createAdmit({ purse, state, now, signal }: AdmitOptions): Admit {
	return async () => {
		const giveUpAt = now() + patienceMs;
		for (;;) {
			if (signal.aborted) return { refused: "stopped" };
			const held = state();
			if (held.kind !== "running" && held.until > now()) return { refused: held.reason };
			const refillAt = await purse.fill();
			if (purse.tokens() > 0) {
				purse.spend(1);
				return { signal };
			}
			if (refillAt !== undefined && refillAt > giveUpAt) return { refused: "budget_exhausted" };
			await delay(Math.max(1, (refillAt ?? 0) - now()), undefined, { signal }).catch(() => {});
		}
	};
}
