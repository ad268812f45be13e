import type { RequestHandler } from "express";
import { budgetLeft } from "../delivery/budget.ts";
import type { Notice } from "../delivery/dispatcher.ts";
import type { RunningDestination } from "../delivery/start-delivery.ts";
import { type Operation, ok, type Route } from "../http/route.ts";
import type { InboundNotice } from "../inbound/index.ts";
import type { IngestNotice } from "../ingest/ingest.ts";
import type { Destination, DestinationStats, OutboxStats } from "../outbox/outbox.ts";
import type { Observed } from "./observed.ts";
import { contentType, createRegistry } from "./prometheus.ts";
import type { Answered } from "./request-log.ts";

export type Metrics = ReturnType<typeof createMetrics>;

const getMetrics: Operation = {
	summary: "Metrics for Prometheus",
	answer: ok("Prometheus' text format", { "text/plain": null }),
	problems: ["rate_limited"],
};

const localSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const remoteSeconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Routes whose requests are timed: all that take events or forget people. */
const timedRoutes = ["/v1/batch", "/v1/events", "/v1/people", "/v1/open.gif", "/v1/hooks", "/segment/v1"];
/** Age up to which the store's stats are reused, ms. */
const statsReusedMs = 1_000;
const states = ["running", "waiting", "paused"] as const;

const perDestination = ["site", "destination"] as const;
const inStore = "From the store: the same on every proxy that shares it.";

/**
 * Makes the proxy's metrics for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats). Labels come from the code and the configuration only, so that no
 * visitor or provider can add time series.
 */
export function createMetrics({ outbox, deliveries, labelOf, now }: Observed) {
	const { counter, gauge, histogram, text } = createRegistry("eventferry_");

	const accepted = counter("events_accepted_total", "Events accepted: on disk and answered 202.", ["site"]);
	const rejected = counter("events_rejected_total", "Events rejected, by code.", ["code"]);
	const bots = counter("events_from_bots_total", "Events of self-declared crawlers, which are not stored.");
	const unused = counter("segment_calls_unused_total", "Calls of Segment's API that make no event, by reason.", [
		"reason",
	]);
	const unread = counter(
		"orders_unread_total",
		"Purchases that a rule could not make of an event at a destination, as no order can be read from it.",
	);
	const duplicates = counter(
		"events_duplicate_total",
		`Accepted events discarded as duplicates, by reason. ${inStore}`,
		["reason"],
	);
	const refused = counter("requests_refused_total", "Requests answered with an error, by its code.", ["code"]);
	const ingestSeconds = histogram("ingest_duration_seconds", "Time from a request to its answer.", localSeconds, [
		"route",
		"status",
	]);
	const commitSeconds = histogram("commit_duration_seconds", "Time until a batch is on disk.", localSeconds);

	const hooks = counter("hooks_total", "Web hooks received from providers, by outcome.", ["from", "outcome"]);

	const delivered = counter("delivered_total", "Events delivered.", perDestination);
	const requests = counter("provider_requests_total", "Requests sent to providers, by outcome.", [
		...perDestination,
		"outcome",
	]);
	const requestSeconds = histogram(
		"provider_request_duration_seconds",
		"Time until a provider's answer has been read.",
		remoteSeconds,
		["destination"],
	);
	const perDelivered = gauge(
		"requests_per_delivered_event",
		"Requests sent per event delivered, since the start. Below 1 where several updates share one request.",
		perDestination,
	);
	const retries = counter("retries_total", "Requests that failed and are sent again later.", perDestination);
	const deadLetters = counter("dead_letters_total", "Deliveries that became dead letters.", perDestination);
	const lost = counter("leases_lost_total", "Leases that ended before their request was settled.", perDestination);
	const discarded = counter("deliveries_discarded_total", `Deliveries discarded on purpose, by reason. ${inStore}`, [
		...perDestination,
		"reason",
	]);

	const leftOut = counter(
		"attributes_left_out_total",
		`Attribute values that the provider cannot hold or refuses, or the sender may not set. ${inStore}`,
		perDestination,
	);

	const dead = gauge("dead_letters", `Dead letters kept. ${inStore}`, perDestination);
	const lanes = gauge("lanes_waiting", `Lanes with deliveries owed, one per person. ${inStore}`, perDestination);
	const owed = gauge("deliveries_waiting", `Deliveries owed. ${inStore}`, perDestination);
	const oldest = gauge("oldest_waiting_seconds", `Age of the oldest delivery owed. ${inStore}`, perDestination);
	const budget = gauge("budget_limit", "Requests allowed in one window of the budget.", perDestination);
	const left = gauge("budget_left", `Requests left in the present window of the budget. ${inStore}`, perDestination);
	const state = gauge("destination_state", "1 for the present state of a destination, 0 for the others.", [
		...perDestination,
		"state",
	]);
	const up = gauge("store_up", "1 if the store answers, else 0.");
	const bytes = gauge("store_bytes", `Size of the store on disk. ${inStore}`);
	const roomUsed = gauge("store_used_bytes", `Bytes in use in the store, without free space in its files. ${inStore}`);
	const roomMost = gauge("store_max_bytes", "Bytes that may be in use in the store: maxStoreBytes.");
	const full = gauge("store_full", `1 if the store has no room for events of unverified visitors. ${inStore}`);
	const forgotten = counter(
		"forgotten_total",
		`Ids of delivered events and facts about people that were deleted because the store was full. ${inStore}`,
	);
	const journal = gauge("journal_batches", `Batches on disk that are not sorted into lanes yet. ${inStore}`);
	const journalOldest = gauge(
		"journal_oldest_seconds",
		`Age of the oldest batch that is not sorted into lanes yet. ${inStore}`,
	);
	const stuck = gauge("journal_stuck", `Batches that could not be sorted into lanes and were set aside. ${inStore}`);

	const labelsOf = ({ site, name }: Destination) => ({ site: labelOf(site), destination: name });

	function showStored({ destination, ...stats }: DestinationStats): void {
		const labels = labelsOf(destination);
		dead.set(labels, stats.dead);
		lanes.set(labels, stats.lanes);
		owed.set(labels, stats.owed);
		oldest.set(labels, stats.oldestAt === undefined ? 0 : Math.max(0, (now() - stats.oldestAt) / 1_000));
		leftOut.inc(labels, stats.leftOut);
		for (const [reason, count] of Object.entries(stats.discarded)) discarded.inc({ ...labels, reason }, count);
	}

	function showRunning(stored: DestinationStats[]): void {
		for (const { destination, limits, dispatcher } of deliveries()) {
			const labels = labelsOf(destination);
			// Shows 0 before the first event: a missing series would not trigger alerts.
			for (const each of [delivered, retries, deadLetters, lost]) each.inc(labels, 0);
			const { site, name } = destination;
			const stats = stored.find((each) => each.destination.site === site && each.destination.name === name);
			budget.set(labels, limits.cap);
			left.set(labels, budgetLeft(limits, stats?.budget, now()));
			for (const each of states) state.set({ ...labels, state: each }, dispatcher.state().kind === each ? 1 : 0);
			const done = delivered.get(labels);
			if (done > 0) perDelivered.set(labels, dispatcher.requests() / done);
		}
	}

	let latest: { at: number; stats: Promise<OutboxStats | undefined> } | undefined;
	const read = async () => outbox().stats();
	/** Resolves to the store's stats, at most a second old, or to undefined if the store does not answer. */
	function stats(): Promise<OutboxStats | undefined> {
		if (latest && now() - latest.at < statsReusedMs) return latest.stats;
		const fresh = read().catch(() => undefined);
		latest = { at: now(), stats: fresh };
		return fresh;
	}

	async function refresh(): Promise<void> {
		const stored = await stats();
		up.set({}, stored ? 1 : 0);
		const refreshed = [duplicates, forgotten, discarded, leftOut, dead, lanes, owed, oldest, left, state, budget];
		for (const each of [...refreshed, perDelivered]) each.reset();
		if (stored) {
			bytes.set({}, stored.bytes);
			if (stored.room) {
				roomUsed.set({}, stored.room.used);
				roomMost.set({}, stored.room.max);
				full.set({}, stored.room.isFull ? 1 : 0);
			}
			journal.set({}, stored.journal);
			journalOldest.set({}, stored.journalAge / 1_000);
			stuck.set({}, stored.stuck);
			forgotten.inc({}, stored.forgotten);
			for (const [reason, count] of Object.entries(stored.discarded)) duplicates.inc({ reason }, count);
			for (const each of stored.destinations) showStored(each);
		}
		showRunning(stored?.destinations ?? []);
	}

	let rendering: Promise<string> | undefined;
	/** Shares one rendering among simultaneous requests, because a refresh resets gauges before it sets them. */
	function render(): Promise<string> {
		rendering ??= refresh()
			.then(text)
			.finally(() => {
				rendering = undefined;
			});
		return rendering;
	}

	const answer: RequestHandler = async (_request, response) => {
		const metrics = await render();
		response.set({ "Content-Type": contentType, "Cache-Control": "no-store" }).send(metrics);
	};
	const route: Route = { path: "/metrics", get: [getMetrics, answer] };

	return {
		ingested(notice: IngestNotice): void {
			if (notice.kind === "bots") return void bots.inc({}, notice.events);
			if (notice.kind === "unused") {
				for (const reason of notice.reasons) unused.inc({ reason });
				return;
			}
			accepted.inc({ site: labelOf(notice.site) }, notice.accepted);
			unread.inc({}, notice.ordersUnread);
			for (const { code } of notice.rejected) rejected.inc({ code });
			if (notice.commitMs !== undefined) commitSeconds.observe({}, notice.commitMs / 1_000);
		},

		delivering(destination: Destination, notice: Notice): void {
			const labels = labelsOf(destination);
			if (notice.kind === "lost") lost.inc(labels);
			if (notice.kind === "dead") deadLetters.inc(labels);
			if (notice.kind !== "step" && notice.kind !== "probe") return;
			const { outcome, ms = 0 } = notice.kind === "step" ? notice.result : notice;
			if (notice.kind === "step" && notice.ended?.ending.kind === "delivered")
				delivered.inc(labels, notice.ended.count);
			if (!outcome) return;
			requests.inc({ ...labels, outcome: outcome.kind });
			requestSeconds.observe({ destination: destination.name }, ms / 1_000);
			if (notice.kind === "step" && outcome.kind === "retry") retries.inc(labels);
		},

		reported: ({ from, outcome }: InboundNotice): void => hooks.inc({ from, outcome }),

		/** Counts deliveries given up because they exceeded `maxWait`. */
		expired: (destination: Destination, count: number): void => deadLetters.inc(labelsOf(destination), count),

		answered({ path, status, code, seconds }: Answered): void {
			if (code !== undefined) refused.inc({ code });
			const route = timedRoutes.find((each) => path === each || path.startsWith(`${each}/`));
			if (route) ingestSeconds.observe({ route, status }, seconds);
		},

		stats,

		/** Returns the number of requests sent per event delivered, since the start; 1 until ten were delivered. */
		requestsPerEvent({ destination, dispatcher }: RunningDestination): number {
			const done = delivered.get(labelsOf(destination));
			return done < 10 ? 1 : dispatcher.requests() / done;
		},

		route,
	};
}
