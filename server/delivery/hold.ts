import type { Allowance } from "../providers/provider.ts";
import { doubling } from "./backoff.ts";

/** Whether a destination takes requests now. `until` is ms since the epoch. */
export type DestinationState =
	| { kind: "running" }
	| { kind: "waiting"; until: number; reason: string }
	| { kind: "paused"; until: number; reason: string };

/** All there is to know of a hold, so that it can be stored. */
interface Memory {
	state: DestinationState;
	/** Times in a row that the destination was held. */
	holds: number;
	/** Failures in a row, and the first few lanes they were of. */
	failures: number;
	failingLanes: number[];
}

/** First and longest time a destination is held without being told for how long. */
const firstMs = 30_000;
const mostMs = 900_000;
/** So many failures in a row, from so many people, are the destination's and not theirs. */
const failuresToPause = 10;
const lanesToPause = 3;
/** Longer than a probe takes: after that its sender is taken for dead, and another may try. */
const probeMs = 15_000;

const fresh: Memory = { state: { kind: "running" }, holds: 0, failures: 0, failingLanes: [] };

export type Hold = ReturnType<typeof createHold>;

/**
 * What holds a destination: a limit it reported (waiting), refused credentials or an outage (paused).
 * After a hold one request goes as a probe, and the next one waits for its answer. `stored` is what an
 * earlier one's `stored()` said; `isProbe` says that what is told comes of the probe.
 */
export function createHold(allowance: Allowance, stored?: string, isProbe = false) {
	let { state, holds, failures, failingLanes }: Memory = stored === undefined ? fresh : JSON.parse(stored);

	/** The rest of the minute where the limit is by the minute; else doubling, as it may not be the quota but a limiter. */
	function unspecifiedWait(now: number): number {
		if (allowance.per === "minute") return 60_000 - (now % 60_000);
		if (allowance.per === "second") return 1_000;
		return doubling(holds, firstMs, mostMs);
	}

	/** Requests that were under way when a hold began neither end nor lengthen it: only the probe after it does. */
	const holding = (now: number) => !isProbe && state.kind !== "running" && now < state.until;

	function forgetFailures(): void {
		failures = 0;
		failingLanes = [];
	}

	function pause(reason: string, now: number): void {
		if (holding(now)) return;
		holds = state.kind === "paused" ? holds + 1 : 1;
		forgetFailures();
		state = { kind: "paused", reason, until: now + doubling(holds, firstMs, mostMs) };
	}

	return {
		state: () => state,
		/** Undefined where nothing holds it and nothing failed. */
		stored: (): string | undefined =>
			state.kind === "running" && failures === 0
				? undefined
				: JSON.stringify({ state, holds, failures, failingLanes } satisfies Memory),
		/** When requests may go again; 0 when they may now. */
		until: () => (state.kind === "running" ? 0 : state.until),
		/** Whether the next request is to go alone. */
		probing: () => state.kind !== "running",
		/** Times in a row that it was held. */
		holds: () => holds,
		/** That request goes now; the others wait for its answer. */
		probe(now: number): void {
			if (state.kind !== "running") state = { ...state, until: now + probeMs };
		},
		/** The destination answered as one that works does. */
		answered(now: number): void {
			forgetFailures();
			if (holding(now)) return;
			holds = 0;
			if (state.kind !== "running") state = { kind: "running" };
		},
		/** The destination said that it has had enough; `forMs` where it said for how long. */
		wait(reason: string, forMs: number | undefined, now: number): void {
			if (holding(now)) return;
			holds = state.kind === "waiting" ? holds + 1 : 1;
			state = { kind: "waiting", reason, until: now + (forMs ?? unspecifiedWait(now)) };
		},
		pause,
		/** One lane's request failed; enough of them, or a failed probe of a pause, pause the destination. */
		failed(lane: number, reason: string, now: number): void {
			failures += 1;
			if (!failingLanes.includes(lane) && failingLanes.length < lanesToPause) failingLanes = [...failingLanes, lane];
			const outage = failures >= failuresToPause && failingLanes.length >= lanesToPause;
			if (outage || state.kind === "paused") pause(reason, now);
			else if (isProbe && state.kind === "waiting") state = { ...state, until: now };
		},
	};
}
