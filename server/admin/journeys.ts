import type { Attempt, EventBrief, Journey, JourneyDelivery } from "../../shared/admin.ts";
import type { Event } from "../../shared/event.ts";
import { parseJson } from "../http/exact-json.ts";
import type { Activity, LaneStep } from "../observe/activity.ts";
import type { Observed } from "../observe/observed.ts";
import { brief } from "../observe/shown.ts";
import type { DeadLetter, Destination, OwedDelivery } from "../outbox/outbox.ts";
import { personKey, type StoredEvent } from "../stored-event.ts";

export interface Traces extends ReturnType<Activity["remembered"]>, Pick<Observed, "labelOf"> {
	owed: OwedDelivery[];
	/** Number of deliveries read per lane at most; `owed` lacks the rest. */
	owedMost: number;
	dead: DeadLetter[];
	/** Names the destinations that cannot address an event's person. */
	notAddressable(site: string, event: Event): string[];
	/** The search: an event's id, or people's keys. */
	wanted: { event: string } | { persons: string[] };
}

/** Everything known about one event of one person. */
interface Trail {
	site: string;
	person: string;
	event: EventBrief & { at: number };
	/** The event, if one of the traces has a copy of it. */
	whole?: Event;
	receivedAt?: number;
	trusted?: boolean;
	/** Number of copies received, and the destinations that they were meant for. */
	copies: number;
	routes: Set<string>;
	discarded: Journey["discarded"];
	steps: LaneStep[];
	owed: OwedDelivery[];
	dead: DeadLetter[];
}

/** Joins traces to journeys, one per event, the latest first. Pure. */
export function journeysOf(traces: Traces): Journey[] {
	const { wanted } = traces;
	const trails = new Map<string, Trail>();
	const isWanted = (event: string, person: string) =>
		"event" in wanted ? event === wanted.event : wanted.persons.includes(person);

	function trailOf(site: string, person: string, event: Trail["event"]): Trail | undefined {
		if (!isWanted(event.id, person)) return undefined;
		const key = JSON.stringify([site, person, event.id]);
		const none = { copies: 0, routes: new Set<string>(), discarded: [], steps: [], owed: [], dead: [] };
		const trail = trails.get(key) ?? { site, person, event, ...none };
		trails.set(key, trail);
		return trail;
	}
	function trailOfBody(site: string, body: string): Trail | undefined {
		const { event, receivedAt, trusted } = parseJson(body) as StoredEvent;
		const trail = trailOf(site, personKey(event.person) ?? "", { ...brief(event), at: event.at });
		if (trail) Object.assign(trail, { whole: event, receivedAt: trail.receivedAt ?? receivedAt, trusted });
		return trail;
	}

	for (const { site, events } of traces.received) {
		for (const { person, body, destinations } of events) {
			// Parsing thousands of bodies would take too long.
			if ("event" in wanted ? !body.includes(wanted.event) : !wanted.persons.includes(person)) continue;
			const trail = trailOfBody(site, body);
			if (!trail) continue;
			trail.copies += 1;
			for (const destination of destinations) trail.routes.add(destination);
		}
	}
	for (const { site, body, reason, at } of traces.discarded) trailOfBody(site, body)?.discarded.push({ at, reason });
	for (const step of traces.steps) {
		for (const { receivedAt, trusted, ...event } of step.events) {
			const trail = trailOf(step.destination.site, step.person, event);
			if (!trail) continue;
			trail.steps.push(step);
			trail.receivedAt ??= receivedAt;
			trail.trusted ??= trusted;
		}
	}
	for (const owed of traces.owed) trailOfBody(owed.destination.site, owed.body)?.owed.push(owed);
	for (const dead of traces.dead) trailOfBody(dead.site, dead.body)?.dead.push(dead);

	const latest = (trail: Trail) => trail.receivedAt ?? trail.event.at;
	const lanes = Map.groupBy(traces.owed, ({ destination, person }) => laneKey(destination, person));
	const isCut: IsCut = (destination, person) =>
		(lanes.get(laneKey(destination, person)) ?? []).length >= traces.owedMost;
	return [...trails.values()].sort((a, b) => latest(b) - latest(a)).map((trail) => journeyOf(trail, traces, isCut));
}

const laneKey = ({ site, name }: Destination, person: string) => JSON.stringify([site, name, person]);
type IsCut = (destination: Destination, person: string) => boolean;

function journeyOf(trail: Trail, { labelOf, notAddressable, owedMost }: Traces, isCut: IsCut): Journey {
	const { site, person, event, whole, receivedAt, trusted, discarded } = trail;
	const names = new Set([
		...trail.steps.map(({ destination }) => destination.name),
		...trail.owed.map(({ destination }) => destination.name),
		...trail.dead.map(({ destination }) => destination),
		// If every copy was discarded, none has reached a lane.
		...(trail.copies > discarded.length ? trail.routes : []),
	]);
	const unaddressed = whole ? notAddressable(site, whole).filter((name) => !names.has(name)) : [];
	return {
		event: { ...event, data: whole?.data },
		site: labelOf(site),
		person: person.replace(/^(email|userId):/, ""),
		receivedAt,
		trusted,
		discarded,
		deliveries: [
			...[...names].sort().map((name) => {
				const delivery = deliveryOf(trail, name);
				const isBehind = delivery.state === "past" && isCut({ site, name }, person);
				return isBehind ? { ...delivery, state: "waiting" as const, ahead: owedMost } : delivery;
			}),
			...unaddressed.map((destination): JourneyDelivery => {
				return { destination, state: "skipped", reason: "not_addressable", attempts: [] };
			}),
		],
	};
}

function deliveryOf({ event, steps, owed, dead }: Trail, destination: string): JourneyDelivery {
	const here = steps.filter((step) => step.destination.name === destination);
	const sent = here.flatMap((step) => step.sent ?? []);
	const attempts = sent.map(
		({ at, request, outcome, status, reason, ms }): Attempt => ({ at, request, outcome, status, reason, ms }),
	);
	const end = here.findLast((step) => step.events.findIndex(({ id }) => id === event.id) < (step.ended?.count ?? 0));
	const ending = end?.ended?.ending;
	if (end && ending?.kind === "delivered") return { destination, state: "delivered", at: end.at, attempts };
	const waiting = owed.find((each) => each.destination.name === destination);
	if (waiting) {
		const { ahead, state, dueAt } = waiting;
		const isSending = state === "leased" && ahead === 0;
		const due = state === "waiting" && dueAt !== undefined && { dueAt };
		return { destination, state: isSending ? "sending" : "waiting", ahead, ...due, attempts };
	}
	const letter = dead.find((each) => each.destination === destination);
	if (letter) {
		const { body: _body, site: _site, destination: _destination, ...deadLetter } = letter;
		return { destination, state: "dead", at: letter.lastAt, reason: letter.reason, deadLetter, attempts };
	}
	if (end && ending?.kind === "discarded") {
		return { destination, state: "skipped", at: end.at, reason: ending.reason, attempts };
	}
	return { destination, state: "past", attempts };
}
