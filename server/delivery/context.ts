import type { BudgetLimits, Destination, Outbox, Settlement } from "../outbox/outbox.ts";
import type { Outcome, Provider } from "../providers/provider.ts";
import type { StoredEvent } from "../stored-event.ts";
import type { Result } from "./settlement.ts";
import type { CreationHold, DestinationState } from "./state.ts";

/** A destination, and everything that all parts of its dispatcher use. */
export interface Context {
	destination: Destination;
	provider: Provider;
	outbox: Outbox;
	limits: BudgetLimits;
	now(): number;
	/** Random number, 0 ≤ n < 1, for jitter. */
	random(): number;
	/** Receives notices for logs, metrics and the console. */
	notify(notice: Notice): void;
	/** Aborts requests under way, and ends retries of the store. */
	signal: AbortSignal;
	/** Wait before the store is asked again after an error, ms. */
	retryMs: number;
}

export type Notice =
	/** The destination is held, is held longer, or runs again. */
	| { kind: "state"; state: DestinationState }
	/** An attempt at a lane's leading events has ended. `ended`: number and ending of its events, if settled. */
	| {
			kind: "step";
			person: string;
			events: StoredEvent[];
			result: Result;
			isSettled: boolean;
			ended: Settlement["ended"];
			at: number;
	  }
	/** The provider's own probe was answered. */
	| { kind: "probe"; outcome: Outcome; ms: number }
	/** Requests that create profiles are held, or no longer are. */
	| { kind: "creations"; hold: CreationHold | undefined }
	/** A delivery became a dead letter. */
	| { kind: "dead"; reason: string; status?: number | undefined }
	/** A lease ended before it was settled: it expired (its request may be repeated) or its person was forgotten. */
	| { kind: "lost" }
	/** A fault on this side, such as a store that cannot be written or a plan that throws. */
	| { kind: "fault"; message: string; error: unknown };
