import type { EventBrief, LiveDelivery } from "../../shared/admin.ts";
import { masked } from "../../shared/masking.ts";
import type { Notice } from "../delivery/dispatcher.ts";
import type { IngestNotice } from "../ingest/ingest.ts";
import { eventsIn, type JournalRow } from "../outbox/journal-row.ts";
import { createListeners } from "../outbox/listeners.ts";
import type { Destination, Discarded, Ending, ForgetRequest } from "../outbox/outbox.ts";
import type { Outcome } from "../providers/provider.ts";
import { createExchanges } from "./exchanges.ts";
import { scrub } from "./log.ts";
import type { Observed } from "./observed.ts";
import { createRecent } from "./recent.ts";
import { brief, nameOf, shownRequest } from "./shown.ts";

/** One step of a lane: at most one request, and the end of some of its events. */
export interface LaneStep {
	at: number;
	destination: Destination;
	person: string;
	/** The lane's first events: those in the request, or those that ended. */
	events: (EventBrief & { at: number; receivedAt: number; trusted: boolean })[];
	sent?: LiveDelivery;
	/** Ending of the first `count` events. Undefined if none of them ended. */
	ended: { count: number; ending: Ending } | undefined;
}

/** A request as it is shown, and the key of its person. */
interface Sent {
	sent: LiveDelivery;
	person: string;
}

export type Activity = ReturnType<typeof createActivity>;

/** Bytes remembered of accepted batches, and as many again of discarded events. */
const bodiesKept = 4_000_000;
/** Number of events whose steps are remembered. */
const stepEventsKept = 20_000;
/** Number of past requests that a new watcher is shown. */
const latestShown = 100;
/** Number of events listed for one request at most. */
const eventsListed = 20;

/** Maximum number of refused names remembered for one provider. */
const refusedKept = 20;

/** Estimated size of an event without its body, bytes. */
const withoutBody = 200;

interface ActivityOptions extends Pick<Observed, "labelOf" | "now"> {
	/** True to remember the bodies of requests and answers, if there are operators who may see them. */
	keepsBodies?: boolean;
}

/**
 * Remembers recent activity of this process, for operators to watch and search. The memory is bounded and ends with the
 * process; deliveries do not depend on it.
 */
export function createActivity({ labelOf, now, keepsBodies = false }: ActivityOptions) {
	// Keeps batches as bytes: they cost the garbage collector less than objects.
	const received = createRecent<JournalRow>(bodiesKept);
	const discarded = createRecent<Discarded & { at: number }>(bodiesKept);
	const steps = createRecent<LaneStep>(stepEventsKept);
	const exchanges = createExchanges();
	const watchers = createListeners<Sent>();
	/** Names of attributes that were refused, by the provider's name. */
	const refused = new Map<string, Set<string>>();
	const startedAt = now();

	function remember(provider: string, names: readonly string[]): void {
		const all = refused.get(provider) ?? new Set();
		refused.set(provider, all);
		for (const name of names) if (all.size < refusedKept) all.add(name);
	}

	return {
		received(notice: IngestNotice): void {
			if (notice.kind !== "batch" || !notice.row) return;
			received.add(notice.row, notice.row.bytes.length + notice.accepted * withoutBody);
		},

		discarded(all: Discarded[]): void {
			for (const each of all) discarded.add({ ...each, at: now() }, withoutBody);
		},

		stepped(destination: Destination, notice: Notice): void {
			if (notice.kind !== "step") return;
			const { at, person, events, result, isSettled, ended } = notice;
			const covers = result.plan.kind === "send" ? result.plan.covers : 1;
			if (ended && "refused" in result.plan) remember(destination.name, result.plan.refused ?? []);
			const about = events.slice(0, Math.max(covers, ended?.count ?? 0));
			const [first] = about;
			if (!first) return;
			const step: LaneStep = {
				at,
				destination,
				person,
				events: about.map(({ event, receivedAt, trusted }) => ({ ...brief(event), at: event.at, receivedAt, trusted })),
				ended,
			};
			if (result.plan.kind === "send" && result.outcome) {
				const { kind, status, reason }: Pick<LiveDelivery, "status" | "reason"> & Pick<Outcome, "kind"> =
					result.outcome;
				step.sent = {
					kind: "delivery",
					at,
					site: labelOf(destination.site),
					destination: destination.name,
					person: masked(first.event.person),
					events: about.slice(0, eventsListed).map(({ event }) => brief(event)),
					count: about.length,
					request: shownRequest(result.plan.request, first.event.person),
					outcome: kind,
					status,
					reason: reason && scrub(reason),
					ms: result.ms ?? 0,
				};
				watchers.tell({ sent: step.sent, person });
			}
			// A step that was not settled may belong to a person who has been forgotten meanwhile.
			if (!isSettled) return;
			steps.add(step, 1 + about.length);
			if (keepsBodies) exchanges.add(destination, notice);
		},

		/** Lists the remembered requests for an event, with their answers. */
		exchanges: exchanges.of,

		/** Lists names of attributes that a provider has refused. */
		refused: (provider: string): string[] => [...(refused.get(provider) ?? [])],

		/**
		 * Calls the listener with each request to a provider. Returns the latest requests, and `stop` to end the calls. People
		 * are masked unless `show` is true.
		 */
		watch(listener: (delivery: LiveDelivery) => void, show = false) {
			const view = ({ sent, person }: Sent) => (show ? { ...sent, person: nameOf(person) } : sent);
			const stop = watchers.add((each) => listener(view(each)));
			const latest = steps.all().flatMap(({ sent, person }) => (sent ? [view({ sent, person })] : []));
			return { latest: latest.slice(-latestShown), stop };
		},

		remembered: () => ({
			received: received.all().map((row) => ({ site: row.site, events: eventsIn(row) })),
			discarded: discarded.all(),
			steps: steps.all(),
		}),

		/** Returns the time since when all steps are remembered. */
		since: () => Math.max(startedAt, steps.all()[0]?.at ?? 0),

		/** Removes the activity of people of a site, by their keys. */
		forget({ site, people }: ForgetRequest): void {
			exchanges.forget({ site, people });
			const isTheirs = (each: { site: string; person: string }) => each.site === site && people.includes(each.person);
			received.remove((row) => row.site === site && row.bundles.some(({ person }) => people.includes(person)));
			discarded.remove(isTheirs);
			steps.remove(({ destination, person }) => isTheirs({ site: destination.site, person }));
		},
	};
}
