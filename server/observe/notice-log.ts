import type { Logger } from "pino";
import type { Notice } from "../delivery/dispatcher.ts";

/** How often the same fault is logged: a full disk makes one of every request. */
const faultEveryMs = 60_000;

/** What an operator reads: states and dead letters; never a person, a key or an event. */
export function logNotice(log: Logger, notice: Exclude<Notice, { kind: "fault" | "step" }>): void {
	switch (notice.kind) {
		case "lost":
			log.warn("a request took longer than its lease and may be sent twice, or its person was forgotten meanwhile");
			break;
		case "dead":
			log.warn({ reason: notice.reason, status: notice.status }, "a dead letter: it can be replayed");
			break;
		case "state": {
			const { state } = notice;
			if (state.kind === "running") log.info("runs again");
			else {
				const until = new Date(state.until).toISOString();
				const hint =
					state.kind === "paused"
						? "is paused: are its credentials right, is it reachable?"
						: "has had enough for now.";
				log.warn({ reason: state.reason, until }, `${hint} Nothing is lost meanwhile`);
			}
		}
	}
}

/** Logs faults, each message once a minute at most. */
export function createFaultLog(log: Logger, now: () => number) {
	const logged = new Map<string, number>();
	return (message: string, fields: Record<string, unknown>): void => {
		if (now() - (logged.get(message) ?? Number.NEGATIVE_INFINITY) < faultEveryMs) return;
		logged.set(message, now());
		log.error(fields, message);
	};
}
