import type { Logger } from "pino";
import type { Notice } from "../delivery/dispatcher.ts";
import type { OwnFault } from "../destinations/loop-watch.ts";
import type { InboundNotice } from "../inbound/index.ts";
import type { IngestNotice } from "../ingest/ingest.ts";
import { type Destination, StoreUnavailableError } from "../outbox/outbox.ts";
import { createActivity } from "./activity.ts";
import { createHistory } from "./history.ts";
import { createMetrics } from "./metrics.ts";
import { createFaultLog, kindOfError, logNotice } from "./notice-log.ts";
import type { Observed } from "./observed.ts";

/** Counts for `GET /admin/stats`, as they are at the start. */
const zeroCounts = {
	accepted: 0,
	rejected: 0,
	bots: 0,
	orders_unread: 0,
	hooks_taken: 0,
	hooks_repeated: 0,
	hooks_unknown_event: 0,
	hooks_other_account: 0,
	hooks_nobody: 0,
};

export type Observers = ReturnType<typeof createObservers>;

/**
 * Passes notices of ingest, inbound and the dispatchers on to metrics, counts, activity and the log. `isUp` is true from
 * the end of a start to the beginning of a stop: a store that fails in between is a fault.
 */
export function createObservers(observed: Observed & { keepsBodies: boolean }, log: Logger, isUp: () => boolean) {
	const metrics = createMetrics(observed);
	const activity = createActivity(observed);
	const history = createHistory(observed);
	const counts = { ...zeroCounts };
	const logFault = createFaultLog(log, observed.now);
	return {
		metrics,
		activity,
		history,
		counts,
		/** Logs a fault, the same message at most once a minute. */
		logFault,
		/** Logs an unexpected error of a request. */
		onFault(error: unknown, requestId?: string): void {
			if (!(error instanceof StoreUnavailableError)) {
				logFault("a request could not be handled", { err: error, requestId }, kindOfError(error));
			} else if (isUp()) logFault("the store is not available", { reason: error.message });
		},
		/** Logs a fault of a destination's function, each destination's once a minute. */
		ownFault({ kind, ...fault }: OwnFault): void {
			const what = kind === "blocked" ? "blocked the event loop" : "threw";
			const who = "destination" in fault ? fault.destination : fault.destinations.join();
			logFault(`a destination's function ${what}`, fault, `${kind} ${who}`);
		},
		ingested(notice: IngestNotice): void {
			metrics.ingested(notice);
			activity.received(notice);
			if (notice.kind === "bots") counts.bots += notice.events;
			else if (notice.kind === "batch") {
				counts.accepted += notice.accepted;
				counts.rejected += notice.rejected.length;
				counts.orders_unread += notice.ordersUnread;
			}
		},
		reported(notice: InboundNotice): void {
			metrics.reported(notice);
			counts[`hooks_${notice.outcome}`] += 1;
		},
		delivering(destination: Destination, notice: Notice): void {
			metrics.delivering(destination, notice);
			activity.stepped(destination, notice);
			if (notice.kind === "step") history.stepped(destination.name, notice);
			if (notice.kind === "fault") logFault(`${destination.name}: ${notice.message}`, { err: notice.error });
			else if (notice.kind !== "step" && notice.kind !== "probe")
				logNotice(log.child({ destination: destination.name }), notice);
		},
	};
}
