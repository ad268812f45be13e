import { StoreUnavailableError } from "../outbox/outbox.ts";
import { createAttempts } from "./attempt.ts";
import { createPurse } from "./budget.ts";
import type { Context } from "./context.ts";
import { startFlow } from "./flow.ts";
import { createGroupHold } from "./group-hold.ts";
import type { Hold } from "./hold.ts";
import { createSend } from "./other-requests.ts";
import { createProbe } from "./probe.ts";

export type { Notice } from "./context.ts";

export type Dispatcher = ReturnType<typeof startDispatcher>;

/** Wait before the store is asked again after an error, ms. */
const storeRetryMs = 1_000;

/**
 * Delivers one site's events to one destination: leases lanes, has the provider plan and send each lane's next request,
 * and settles by the table in ARCHITECTURE.md. Starts at once.
 */
export function startDispatcher(options: Omit<Context, "signal" | "retryMs">) {
	const aborting = new AbortController();
	const context: Context = { ...options, signal: aborting.signal, retryMs: storeRetryMs };
	const purse = createPurse(context);
	const hold = createGroupHold(context);
	const probe = createProbe(context, purse, hold);
	const { attempt, sent, creationHold } = createAttempts(context, hold, probe);
	const flow = startFlow(context, { purse, hold, attempt, endPause: probe.endPause });

	/** Changes the hold for an operator. Rejects if that is not stored. */
	async function order(make: (hold: Hold) => void): Promise<void> {
		if (!(await hold.order(make))) throw new StoreUnavailableError("the proxy is stopping");
		flow.wake();
	}

	return {
		/** Stops requests until `resume`, in all processes that share the store. */
		pause: () => order((each) => each.pauseByOperator(context.now())),
		/** Ends an operator's pause, or tries a destination that paused by itself at once. */
		resume: () => order((each) => each.resume(context.now())),
		state: hold.state,
		/** Hold of the requests that create profiles, if the provider refuses just these. */
		creationHold,
		/** Number of requests sent since the start, including lookups, creations, probes and failures. */
		requests: () => sent() + probe.sent(),
		/** Resolves once no request for these people, by their keys, is under way. */
		quiet: flow.quiet,
		/** Sends a request other than a delivery. */
		send: createSend(context, purse, hold),
		/** Takes no more leases. Resolves once all leases are settled; requests under way are aborted after `graceMs`. */
		async stop(graceMs: number): Promise<void> {
			const grace = setTimeout(() => aborting.abort(), graceMs);
			await flow.stop();
			clearTimeout(grace);
		},
	};
}
