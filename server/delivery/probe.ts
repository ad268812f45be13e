import type { Outcome, PlannedRequest } from "../providers/provider.ts";
import type { Purse } from "./budget.ts";
import type { Context } from "./context.ts";
import type { GroupHold } from "./group-hold.ts";
import type { Hold } from "./hold.ts";
import { tellHold } from "./settlement.ts";

/** Time for which a successful probe counts, ms: a flood of refused events must not double their requests. */
const keptMs = 10_000;
/** Stands for no lane, in the count of failing lanes. */
const noLane = -1;

export type Probe = ReturnType<typeof createProbe>;

/**
 * Sends the provider's own probe, which tells a refusal of the account from the refusal of one event. Each probe costs a
 * token of the budget.
 */
export function createProbe({ provider, now, signal, notify }: Context, purse: Purse, hold: GroupHold) {
	let sent = 0;
	let succeededAt = Number.NEGATIVE_INFINITY;
	let asking: Promise<boolean> | undefined;

	async function send(request: PlannedRequest): Promise<Outcome> {
		purse.spend();
		sent += 1;
		const startedAt = now();
		const outcome = await provider.send(request, signal);
		if (outcome.kind === "delivered") succeededAt = now();
		notify({ kind: "probe", outcome, ms: now() - startedAt });
		return outcome;
	}

	async function ask(): Promise<boolean> {
		if (!provider.probe) return false;
		await purse.fill();
		return purse.tokens() > 0 && (await send(provider.probe)).kind === "delivered";
	}

	return {
		/** Number of probes sent so far. */
		sent: () => sent,

		/** False if the provider has no probe. */
		exists: provider.probe !== undefined,

		/** Tells whether the destination takes requests, for sure. Simultaneous questions share one probe. */
		async succeeds(): Promise<boolean> {
			if (now() - succeededAt < keptMs) return true;
			asking ??= ask().finally(() => {
				asking = undefined;
			});
			return asking;
		},

		/** Probes a destination whose pause is over, unless another process does. The purse must have a token. */
		async endPause(): Promise<void> {
			if (!provider.probe || !(await hold.probe())) return;
			const outcome = await send(provider.probe);
			const isWell = outcome.kind === "delivered";
			const change = (each: Hold) => (isWell ? each.released(now()) : tellHold(each, outcome, noLane, now()));
			if (!signal.aborted) await hold.tell(change, true);
		},
	};
}
