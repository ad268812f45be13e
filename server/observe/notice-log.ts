import type { Logger } from "pino";
import type { Notice } from "../delivery/dispatcher.ts";

/** Interval between two log lines of the same fault, ms: on a full disk every request causes one. */
const faultEveryMs = 60_000;

/** Logs a destination's states, dead letters and lost leases. Never logs a person, a key or an event. */
export function logNotice(log: Logger, notice: Exclude<Notice, { kind: "fault" | "step" | "probe" }>): void {
	if (notice.kind === "lost") {
		log.warn(
			"a lease ended before its request was settled: the request may be sent twice, or the person was forgotten",
		);
	} else if (notice.kind === "dead") {
		log.warn({ reason: notice.reason, status: notice.status }, "a delivery became a dead letter: it can be replayed");
	} else if (notice.kind === "creations") {
		if (notice.hold) {
			const { reason, until } = notice.hold;
			log.warn(
				{ reason, until: new Date(until).toISOString() },
				"the destination refuses to create people: check the rights of its credentials and the limits of its plan. Events of people it does not know wait, others are delivered",
			);
		} else log.info("the destination creates people again");
	} else if (notice.state.kind === "running") {
		log.info("the destination runs again");
	} else if (notice.state.until !== undefined) {
		// An operator's pause is logged where it is ordered.
		const { kind, reason, until } = notice.state;
		const state =
			kind === "paused" ? "is paused: check its credentials and that it can be reached." : "asked us to wait.";
		log.warn({ reason, until: new Date(until).toISOString() }, `the destination ${state} Nothing is lost meanwhile`);
	}
}

/** Makes a log of faults that writes each kind at most once a minute. A kind must not depend on what a client sends. */
export function createFaultLog(log: Logger, now: () => number) {
	const logged = new Map<string, number>();
	return (message: string, fields: Record<string, unknown>, kind = message): void => {
		if (now() - (logged.get(kind) ?? Number.NEGATIVE_INFINITY) < faultEveryMs) return;
		logged.set(kind, now());
		log.error(fields, message);
	};
}

/** Returns the kind of an unexpected error: the place in the code that threw it, because its message may vary. */
export function kindOfError(error: unknown): string {
	if (!(error instanceof Error)) return typeof error;
	const { name, message, stack = "" } = error;
	const [frame = name] = /^ +at .*$/m.exec(stack.slice(stack.indexOf(message) + message.length)) ?? [];
	return frame;
}
