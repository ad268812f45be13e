/**
 * State of a destination: it takes requests, has reached a limit, or is out of order. `until` is ms since the epoch. The
 * last form is an operator's pause, made at `since`, which only an operator ends.
 */
export type DestinationState =
	| { kind: "running" }
	| { kind: "waiting"; until: number; reason: string }
	| { kind: "paused"; until: number; reason: string }
	| { kind: "paused"; until?: undefined; reason: typeof operatorReason; since: number };

/** Reason of an operator's pause. */
export const operatorReason = "operator";

/** A hold of the requests that create profiles. */
export interface CreationHold {
	reason: string;
	/** Time from which one creation is tried, ms since the epoch. */
	until: number;
}

/** Hold as it is stored. */
export interface StoredHold {
	/** State by the destination's own answers. */
	state: Exclude<DestinationState, { since: number }>;
	/** Number of holds in a row. */
	holds: number;
	/** Number of failed requests in a row. */
	failures: number;
	/** Lanes of these failures, up to three. */
	failingLanes: number[];
	/** Time at which an operator paused the destination; absent unless one did. */
	pausedAt?: number | undefined;
}
