import { type Event, limits, type Person } from "../../shared/event.ts";
import { eventData, eventName } from "../providers/event-data.ts";
import type { Known, Lane, Plan } from "../providers/provider.ts";
import { type StoredEvent, setsAttributes } from "../stored-event.ts";

/** Maximum number of names in a digest's list, so that the list stays as small as the data of one event. */
const namesMost = 20;

const isSamePerson = (a: Person, b: Person) =>
	a.email === b.email && a.userId === b.userId && JSON.stringify(a.ids) === JSON.stringify(b.ids);

const isoTime = (at: number) => new Date(at).toISOString();

/** Describes how often and when some events happened. */
function timesOf(events: readonly Event[]) {
	const times = events.map(({ at }) => at);
	return { count: events.length, first_at: isoTime(Math.min(...times)), last_at: isoTime(Math.max(...times)) };
}

const withCount = (name: string, count: number) => {
	const suffix = ` ×${count}`;
	return `${name.slice(0, limits.nameLength - suffix.length).toWellFormed()}${suffix}`;
};

/** Lists what happened by name, the most frequent first. Names beyond the twentieth are one line, `others`. */
function actionsOf(byName: Map<string, Event[]>) {
	const groups = [...byName].sort(([, a], [, b]) => b.length - a.length);
	const listed = groups.length > namesMost ? groups.slice(0, namesMost - 1) : groups;
	const others = groups.slice(listed.length).flatMap(([, events]) => events);
	const actions = listed.map(([name, events]) => ({ name, ...timesOf(events) }));
	return others.length > 0 ? [...actions, { name: "others", ...timesOf(others) }] : actions;
}

/** Makes one event of several. It has the id of the first one, the time and person of the last one. */
function merge(events: readonly [StoredEvent, ...StoredEvent[]]): StoredEvent {
	const all = events.map(({ event }) => event);
	const last = all.at(-1) ?? events[0].event;
	const byName = Map.groupBy(all, eventName);
	const isOneColor = all.every(({ color }) => color === last.color);
	const count = all.length;
	const [name, data] =
		byName.size === 1
			? [withCount(eventName(last), count), { ...eventData(last, "never", 0), ...timesOf(all) }]
			: [`${count} actions`, { ...timesOf(all), actions: actionsOf(byName) }];
	const { id, person } = events[0].event;
	const color = isOneColor && last.color !== undefined ? { color: last.color } : {};
	const event: Event = { id, at: last.at, person, type: "track", name, data, ...color };
	return { ...events[0], event };
}

/** Counts the requests for one event after which updates are no longer sent ahead of a digest. */
const requestsMost = 8;

/** A lane, and the knowledge that its digest depends on. */
export interface DigestOptions {
	/** Tells whether a rule marks an event for a digest. */
	isMarked(stored: StoredEvent): boolean;
	/** Plans the next request for a lane, as the provider does; `known` stands for what is known of the person by default. */
	plan(lane: Lane, known?: Known): Plan;
	/** Number of requests for the first event so far. */
	requests: number;
}

/**
 * Counts the updates that may go ahead of a digest: those of one request that the provider will know to be sent, as they
 * are settled with the digest. `next` plans what comes after the request.
 */
function updatesAhead(plan: Plan, next: (known: Known) => Plan): number {
	if (plan.kind === "done") return plan.settles;
	if (plan.kind === "discard" || plan.kind === "refuse") return 0;
	if (plan.kind !== "send" || plan.settles === 0) return Number.POSITIVE_INFINITY;
	return next(plan.request.ifDelivered).kind === "done" ? plan.settles : 0;
}

/**
 * Plans the next request of a lane whose leading events may belong to a digest, `most` of them. All marked events before
 * the first other event become one. Logins and updates between them are sent before it, as one request: attributes have
 * no place in the history of a person. One marked event alone stays as it is.
 */
export function planDigest(lane: Lane, options: DigestOptions, most = lane.length): Plan {
	const { isMarked, plan, requests } = options;
	if (!lane.some(isMarked)) return plan(lane);
	const [first] = lane;
	const isAhead = ({ event }: StoredEvent) => requests < requestsMost && setsAttributes(event);
	const isPart = (stored: StoredEvent, place: number) =>
		place < most &&
		(isMarked(stored) || isAhead(stored)) &&
		stored.trusted === first.trusted &&
		isSamePerson(stored.event.person, first.event.person);
	const end = lane.findIndex((stored, place) => !isPart(stored, place));
	const run = end < 0 ? lane : lane.slice(0, end);
	const [earliest, ...others] = run.filter(isMarked);
	if (!earliest || others.length === 0) return plan(lane);
	const rest = [merge([earliest, ...others]), ...lane.slice(run.length)] as const;
	const updates = run.filter(isAhead);
	const [update, ...more] = updates;
	const inFront = update && ([update, ...more, ...rest] as const);
	const ahead = inFront && plan(inFront);
	const left = ahead && updates[updatesAhead(ahead, (known) => plan(inFront, known))];
	if (left) return planDigest(lane, options, run.indexOf(left));
	if (ahead?.kind === "send") {
		const isCreation = ahead.request.purpose === "create" && ahead.settles === 0;
		return { ...ahead, settles: 0, covers: isCreation ? ahead.covers : run.length, leftOut: 0, refused: undefined };
	}
	if (ahead && ahead.kind !== "done") return ahead;
	const digest = plan(rest);
	if (!("settles" in digest) || digest.settles === 0) return digest;
	// A plan may settle events behind the digest too.
	const settles = run.length + digest.settles - 1;
	if (digest.kind === "discard") return { ...digest, settles };
	const leftOut = (ahead?.leftOut ?? 0) + (digest.leftOut ?? 0);
	const settled = { ...(leftOut > 0 && { leftOut }), refused: ahead?.refused };
	if (digest.kind === "done") return { ...digest, settles, ...settled };
	// After a refusal, half as many of the run's events are sent, until the one at fault is first and alone.
	const covers = run.length + digest.covers - 1;
	// The event behind a digest goes next: a scarce budget shall finish few lanes instead of beginning all of them.
	return { ...digest, settles, covers, ...settled, keepsTurn: settles < lane.length };
}
