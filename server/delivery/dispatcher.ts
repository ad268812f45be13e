import type { BudgetLimits, Destination, Outbox, Settlement } from "../outbox/outbox.ts";
import type { Admit, Provider } from "../providers/provider.ts";
import type { StoredEvent } from "../stored-event.ts";
import { createAdmit } from "./admit.ts";
import { createAttempts } from "./attempt.ts";
import { createPurse } from "./budget.ts";
import { startFlow } from "./flow.ts";
import { createGroupHold } from "./group-hold.ts";
import type { DestinationState } from "./hold.ts";
import type { Result } from "./settlement.ts";

export interface DispatcherOptions {
	destination: Destination;
	provider: Provider;
	outbox: Outbox;
	limits: BudgetLimits;
	now(): number;
	/** Random number, 0 ≤ n < 1, for jitter. */
	random(): number;
	/** Receives notices for logs, metrics and the console. */
	report(notice: Notice): void;
}

export type Notice =
	/** The destination is held, is held longer, or runs again. */
	| { kind: "state"; state: DestinationState }
	/** An attempt at a lane's leading events has ended. `ended` names the events that it ended, if it was settled. */
	| {
			kind: "step";
			person: string;
			events: StoredEvent[];
			result: Result;
			isSettled: boolean;
			ended: Settlement["ended"];
			at: number;
	  }
	/** A delivery became a dead letter. */
	| { kind: "dead"; reason: string; status?: number | undefined }
	/** A lease ended before it was settled: it ran out, and its request may be repeated, or its person was forgotten. */
	| { kind: "lost" }
	/** A fault on this side, such as a store that cannot be written or a plan that throws. */
	| { kind: "fault"; message: string; error: unknown };

export interface Dispatcher {
	state(): DestinationState;
	/** Requests sent since the start, including lookups, creations and failures. */
	requests(): number;
	/** Resolves once no request for these people, by their keys, is under way. */
	quiet(people: readonly string[]): Promise<void>;
	/** Admits requests other than deliveries. */
	admit: Admit;
	/** Takes no more leases. Resolves once all leases are settled; requests under way are aborted after `graceMs`. */
	stop(graceMs: number): Promise<void>;
}

/** Wait before the store is asked again after an error, ms. */
const storeRetryMs = 1_000;

/**
 * Delivers one site's events to one destination: leases lanes, has the provider plan and send each lane's next request,
 * and settles by the table in ARCHITECTURE.md. Starts at once.
 */
export function startDispatcher(options: DispatcherOptions): Dispatcher {
	const { destination, provider, outbox, limits, now, random, report } = options;
	const aborting = new AbortController();
	const { signal } = aborting;
	const onFault = (message: string, error: unknown) => report({ kind: "fault", message, error });
	const purse = createPurse(outbox, destination, limits, now);
	const hold = createGroupHold({
		outbox,
		destination,
		allowance: provider.allowance,
		now,
		retryMs: storeRetryMs,
		signal,
		onState: (state) => report({ kind: "state", state }),
		onFault: (error) => onFault("the hold of the destination could not be stored", error),
	});
	const { attempt, sent } = createAttempts({ provider, outbox, hold, now, random, signal, onFault });
	const flow = startFlow({
		destination,
		outbox,
		purse,
		hold,
		now,
		retryMs: storeRetryMs,
		signal,
		attempt,
		onEnd({ settlement: { lease, ended, now: at }, step }, isSettled) {
			if (isSettled && ended?.ending.kind === "dead") {
				const { reason, status } = ended.ending;
				report({ kind: "dead", reason, status });
			}
			const { person } = lease;
			if (step) report({ kind: "step", person, ...step, isSettled, ended: isSettled ? ended : undefined, at });
		},
		onLost: () => report({ kind: "lost" }),
		onFault,
	});
	return {
		state: hold.state,
		requests: sent,
		quiet: flow.quiet,
		admit: createAdmit({ purse, state: hold.state, now, signal }),
		async stop(graceMs) {
			const grace = setTimeout(() => aborting.abort(), graceMs);
			await flow.stop();
			clearTimeout(grace);
		},
	};
}
