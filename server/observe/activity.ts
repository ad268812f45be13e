import type { EventBrief, LiveDelivery } from "../../shared/admin.ts";
import type { Notice } from "../delivery/dispatcher.ts";
import type { Result } from "../delivery/settlement.ts";
import type { IngestNotice } from "../ingest/ingest.ts";
import { eventsIn, type JournalRow } from "../outbox/journal-row.ts";
import type { Destination, Discarded, Ending, ForgetRequest } from "../outbox/outbox.ts";
import { scrub } from "./log.ts";
import { createRecent } from "./recent.ts";
import { brief, masked, shownRequest } from "./shown.ts";

/** A batch that was stored, as its bytes, which cost the garbage collector next to nothing. */
interface Received {
	site: string;
	row: JournalRow;
}

interface ReceivedEvents {
	site: string;
	events: ReturnType<typeof eventsIn>;
}

/** One step of a lane: what was sent for which events, and which of them ended. */
export interface LaneStep {
	at: number;
	destination: Destination;
	person: string;
	/** The events that it was for. */
	events: (EventBrief & { at: number; receivedAt: number; trusted: boolean })[];
	sent?: LiveDelivery;
	/** How the first `count` of them ended. */
	ended?: { count: number; ending: Ending };
}

/**
 * What happened lately in this process, for people to look at: who watches is told at once, who searches finds it
 * for as long as the memory it may take has room. What must last is in the store.
 */
export interface Activity {
	received(notice: IngestNotice): void;
	discarded(discarded: Discarded[]): void;
	stepped(destination: Destination, notice: Notice): void;
	/** Calls the listener with each request to a provider; returns the latest ones and the way to stop. */
	watch(listener: (delivery: LiveDelivery) => void): { latest: LiveDelivery[]; stop(): void };
	remembered(): { received: ReceivedEvents[]; discarded: (Discarded & { at: number })[]; steps: LaneStep[] };
	/** Nothing before this time is remembered for sure. */
	since(): number;
	/** Forgets people of a site, by their keys. */
	forget(request: ForgetRequest): void;
}

/** Bytes of received and UTF-16 units of discarded events that are remembered; a batch is forgotten as a whole. */
const bodiesKept = 4_000_000;
/** Events that steps are remembered for. */
const stepEventsKept = 20_000;
/** Requests that whoever comes to watch is shown at once. */
const latestShown = 100;
/** Events of one request that are named. */
const eventsNamed = 20;

/** About what an event takes beside its body. */
const besideBody = 200;
const lengthOf = (events: readonly { body: string }[]) =>
	events.reduce((sum, { body }) => sum + body.length + besideBody, 0);

/** How many leading events a step was for. */
function covered({ plan }: Result, ended: LaneStep["ended"]): number {
	const covers = plan.kind === "send" ? plan.covers : 1;
	return Math.max(covers, ended?.count ?? 0);
}

export function createActivity({ labelOf, now }: { labelOf(site: string): string; now(): number }): Activity {
	const received = createRecent<Received>(bodiesKept);
	const discarded = createRecent<Discarded & { at: number }>(bodiesKept);
	const steps = createRecent<LaneStep>(stepEventsKept);
	const watchers = new Set<(delivery: LiveDelivery) => void>();
	const startedAt = now();

	return {
		received(notice) {
			if (notice.kind !== "taken" || !notice.row) return;
			const { site, row, accepted } = notice;
			received.add({ site, row }, row.bytes.length + accepted * besideBody);
		},

		discarded(all) {
			for (const each of all) discarded.add({ ...each, at: now() }, lengthOf([each]));
		},

		stepped(destination, notice) {
			if (notice.kind !== "step") return;
			const { at, person, events, result, isSettled, ended } = notice;
			const about = events.slice(0, covered(result, ended));
			const [first] = about;
			if (!first) return;
			const step: LaneStep = {
				at,
				destination,
				person,
				events: about.map(({ event, receivedAt, trusted }) => ({ ...brief(event), at: event.at, receivedAt, trusted })),
				...(ended && { ended }),
			};
			if (result.plan.kind === "send" && result.outcome) {
				const { kind: outcome, ...told } = result.outcome;
				step.sent = {
					kind: "delivery",
					at,
					site: labelOf(destination.site),
					destination: destination.name,
					person: masked(first.event.person),
					events: about.slice(0, eventsNamed).map(({ event }) => brief(event)),
					count: about.length,
					request: shownRequest(result.plan.request, first.event.person),
					outcome,
					...("status" in told && told.status !== undefined && { status: told.status }),
					...("reason" in told && { reason: scrub(told.reason) }),
					ms: result.ms ?? 0,
				};
				for (const watcher of watchers) watcher(step.sent);
			}
			// What could not be settled may be of somebody who was forgotten meanwhile.
			if (isSettled) steps.add(step, 1 + about.length);
		},

		watch(listener) {
			watchers.add(listener);
			const latest = steps.all().flatMap(({ sent }) => sent ?? []);
			return { latest: latest.slice(-latestShown), stop: () => void watchers.delete(listener) };
		},

		remembered: () => ({
			received: received.all().map(({ site, row }) => ({ site, events: eventsIn(row) })),
			discarded: discarded.all(),
			steps: steps.all(),
		}),

		since: () => Math.max(startedAt, steps.all()[0]?.at ?? 0),

		forget({ site, people }) {
			const isTheirs = (each: { site: string; person: string }) => each.site === site && people.includes(each.person);
			received.remove(
				(batch) => batch.site === site && batch.row.bundles.some(({ person }) => people.includes(person)),
			);
			discarded.remove(isTheirs);
			steps.remove(({ destination, person }) => isTheirs({ site: destination.site, person }));
		},
	};
}
