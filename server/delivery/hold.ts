import type { Allowance } from "../providers/provider.ts";
import { doubling } from "./backoff.ts";
import { type DestinationState, operatorReason, type StoredHold } from "./state.ts";

/** First and longest hold, ms, if the provider does not say how long to wait. */
const [firstMs, mostMs] = [30_000, 900_000];
/** Number of failures in a row, and of lanes among them, that make an outage likely. */
const suspectFailures = 10;
const suspectLanes = 3;
/** Longest probe, ms. After it, its sender is taken for dead and another process may probe. */
const probeMs = 15_000;

const fresh: StoredHold = { state: { kind: "running" }, holds: 0, failures: 0, failingLanes: [] };

export type Hold = ReturnType<typeof createHold>;

/**
 * Hold of a destination (a circuit breaker): waiting after a reported limit, paused after refused credentials or an
 * outage. After a hold one request goes as a probe, and the others wait for its answer.
 * @param stored Result of an earlier hold's `stored()`.
 * @param isProbe True if the changes follow from the answer to a probe.
 */
export function createHold(allowance: Allowance, stored?: string, isProbe = false) {
	let { state, holds, failures, failingLanes, pausedAt }: StoredHold =
		stored === undefined ? fresh : JSON.parse(stored);

	/** Wait after a limit that names no time. It doubles with a daily allowance: the limit may be of a shorter time. */
	function unspecifiedWait(now: number): number {
		if (allowance.per === "minute") return 60_000 - (now % 60_000);
		if (allowance.per === "second") return 1_000;
		return doubling(holds, firstMs, mostMs);
	}

	/** Tells whether to ignore an answer. Until a hold ends, only the answer to its probe changes it. */
	const isIgnored = (now: number) => !isProbe && state.kind !== "running" && now < state.until;

	function forgetFailures(): void {
		failures = 0;
		failingLanes = [];
	}

	function pause(reason: string, now: number): void {
		if (isIgnored(now)) return;
		holds = state.kind === "waiting" ? 1 : holds + 1;
		forgetFailures();
		state = { kind: "paused", reason, until: now + doubling(holds, firstMs, mostMs) };
	}

	return {
		state: (): DestinationState =>
			pausedAt === undefined ? state : { kind: "paused", reason: operatorReason, since: pausedAt },
		/** Text to store; undefined if nothing holds the destination and nothing failed. */
		stored: (): string | undefined =>
			state.kind === "running" && failures === 0 && holds === 0 && pausedAt === undefined
				? undefined
				: JSON.stringify({ state, holds, failures, failingLanes, pausedAt } satisfies StoredHold),
		/** Time from which requests may be sent, ms since the epoch; 0 if nothing holds them. An operator's pause is endless. */
		until: () => (pausedAt === undefined ? (state.kind === "running" ? 0 : state.until) : Number.POSITIVE_INFINITY),
		/** Tells whether the next request is a probe, which goes alone. */
		probing: () => state.kind !== "running",
		holds: () => holds,
		/** Tells whether the hold is a pause, which the provider's own probe ends. */
		isPaused: () => state.kind === "paused",
		/** Tells whether so many requests have failed in a row that the destination may be out of order. */
		isSuspect: () => failures >= suspectFailures && failingLanes.length >= suspectLanes,
		/** Begins a probe: other requests wait for its answer. */
		probe(now: number): void {
			if (state.kind !== "running") state = { ...state, until: now + probeMs };
		},
		/** Records an answer that shows the destination at work. */
		answered(now: number): void {
			forgetFailures();
			if (isIgnored(now)) return;
			holds = 0;
			if (state.kind !== "running") state = { kind: "running" };
		},
		/** Ends a pause whose probe succeeded. The next pause is longer nevertheless, unless a delivery succeeds first. */
		released(now: number): void {
			forgetFailures();
			if (!isIgnored(now)) state = { kind: "running" };
		},
		/** Records a limit that the destination reported, with the wait it asked for, if any. */
		wait(reason: string, forMs: number | undefined, now: number): void {
			if (isIgnored(now)) return;
			holds = state.kind === "waiting" ? holds + 1 : 1;
			state = { kind: "waiting", reason, until: now + (forMs ?? unspecifiedWait(now)) };
		},
		/** Records refused credentials or an outage. */
		pause,
		/** Pauses for an operator, until `resume`. Answers meanwhile change only the state below the pause. */
		pauseByOperator(now: number): void {
			pausedAt ??= now;
		},
		/** Ends an operator's pause, and the wait before the probe of any other pause. A provider's limit stays. */
		resume(now: number): void {
			pausedAt = undefined;
			if (state.kind === "paused") state = { ...state, until: Math.min(state.until, now) };
		},
		/** Records a failed request of a lane. Lengthens a pause. */
		failed(lane: number, reason: string, now: number): void {
			failures += 1;
			if (!failingLanes.includes(lane) && failingLanes.length < suspectLanes) failingLanes = [...failingLanes, lane];
			if (state.kind === "paused") pause(reason, now);
			else if (isProbe && state.kind === "waiting") state = { ...state, until: now };
		},
	};
}
