import type { Attempt, EventBrief, Journey, JourneyDelivery, Wait } from "../../shared/admin.ts";
import { parseJson } from "../http/exact-json.ts";
import { eventKey } from "../ingest/claims.ts";
import type { Activity, LaneStep } from "../observe/activity.ts";
import type { Observed } from "../observe/observed.ts";
import { brief, nameOf } from "../observe/shown.ts";
import type { DeadLetter, Destination, OwedDelivery } from "../outbox/outbox.ts";
import { personKey, type StoredEvent } from "../stored-event.ts";

/** Records of events, from this process's memory and from the store, of which journeys are made. */
export interface JourneySources extends ReturnType<Activity["remembered"]>, Pick<Observed, "labelOf"> {
	owed: OwedDelivery[];
	/** Maximum number of deliveries read per lane. `owed` lacks the rest. */
	owedMost: number;
	dead: DeadLetter[];
	/** Why events wait at destinations. */
	waits: (Destination & { wait: Wait | undefined })[];
	/** Names the destinations that would get an event but for a reason, such as that they cannot address its person. */
	skipped(site: string, stored: StoredEvent): readonly { destination: string; reason: string }[];
	/** Subject of the search: an event's id, or people's keys. */
	wanted: { event: string } | { people: string[] };
}

/** Everything known about one event of one person. */
interface EventFacts {
	site: string;
	person: string;
	event: EventBrief & { at: number };
	/** The event as it is stored, if one of the sources has it. */
	whole?: StoredEvent;
	receivedAt?: number;
	trusted?: boolean;
	/** Number of copies accepted, and their destinations. */
	copies: number;
	destinations: Set<string>;
	discarded: Journey["discarded"];
	/** Destinations whose deliveries alone were discarded. */
	dropped: { destination: string; at: number; reason: string }[];
	steps: LaneStep[];
	owed: OwedDelivery[];
	dead: DeadLetter[];
}

/** Makes journeys of the sources, one per event, the latest first. Pure. */
export function journeysOf(sources: JourneySources): Journey[] {
	const { wanted } = sources;
	const all = new Map<string, EventFacts>();
	const isWanted = (event: string, person: string) =>
		"event" in wanted ? event === wanted.event : wanted.people.includes(person);

	function factsOf(site: string, person: string, event: EventFacts["event"]): EventFacts | undefined {
		if (!isWanted(event.id, person)) return undefined;
		const key = JSON.stringify([site, person, event.id]);
		const empty = {
			copies: 0,
			destinations: new Set<string>(),
			discarded: [],
			dropped: [],
			steps: [],
			owed: [],
			dead: [],
		};
		const facts = all.get(key) ?? { site, person, event, ...empty };
		all.set(key, facts);
		return facts;
	}
	function factsOfBody(site: string, body: string): EventFacts | undefined {
		const whole = parseJson(body) as StoredEvent;
		const { event, receivedAt, trusted } = whole;
		const facts = factsOf(site, personKey(event.person) ?? "", { ...brief(event), at: event.at });
		if (facts) Object.assign(facts, { whole, receivedAt: facts.receivedAt ?? receivedAt, trusted });
		return facts;
	}

	for (const { site, events } of sources.received) {
		for (const { person, body, destinations } of events) {
			// Parsing thousands of bodies would take too long.
			if ("event" in wanted ? !body.includes(wanted.event) : !wanted.people.includes(person)) continue;
			const facts = factsOfBody(site, body);
			if (!facts) continue;
			facts.copies += 1;
			for (const destination of destinations) facts.destinations.add(destination);
		}
	}
	for (const step of sources.steps) {
		for (const { receivedAt, trusted, ...event } of step.events) {
			const facts = factsOf(step.destination.site, step.person, event);
			if (!facts) continue;
			facts.steps.push(step);
			facts.receivedAt ??= receivedAt;
			facts.trusted ??= trusted;
		}
	}
	for (const owed of sources.owed) factsOfBody(owed.destination.site, owed.body)?.owed.push(owed);
	for (const dead of sources.dead) factsOfBody(dead.site, dead.body)?.dead.push(dead);
	const discarded = Map.groupBy(sources.discarded, ({ key }) => key);
	for (const { site, person, event, discarded: own, dropped } of all.values()) {
		const copies = discarded.get(eventKey(site, person, event.id)) ?? [];
		for (const { at, reason, destination } of copies) {
			if (destination === undefined) own.push({ at, reason });
			else dropped.push({ destination, at, reason });
		}
	}

	const timeOf = (facts: EventFacts) => facts.receivedAt ?? facts.event.at;
	const lanes = Map.groupBy(sources.owed, ({ destination, person }) => laneKey(destination, person));
	const isCutOff: IsCutOff = (destination, person) =>
		(lanes.get(laneKey(destination, person)) ?? []).length >= sources.owedMost;
	return [...all.values()].sort((a, b) => timeOf(b) - timeOf(a)).map((facts) => journeyOf(facts, sources, isCutOff));
}

const laneKey = ({ site, name }: Destination, person: string) => JSON.stringify([site, name, person]);
/** Tells whether a lane may have more deliveries than were read. */
type IsCutOff = (destination: Destination, person: string) => boolean;

function journeyOf(
	facts: EventFacts,
	{ labelOf, skipped, owedMost, waits }: JourneySources,
	isCutOff: IsCutOff,
): Journey {
	const { site, person, event, whole, receivedAt, trusted, discarded } = facts;
	const names = new Set([
		...facts.steps.map(({ destination }) => destination.name),
		...facts.owed.map(({ destination }) => destination.name),
		...facts.dead.map(({ destination }) => destination),
		// If every copy was discarded, none has reached a lane.
		...(facts.copies > discarded.length ? facts.destinations : []),
	]);
	const left = whole ? skipped(site, whole).filter(({ destination }) => !names.has(destination)) : [];
	return {
		event: { ...event, data: whole?.event.data },
		site: labelOf(site),
		person: nameOf(person),
		receivedAt,
		trusted,
		discarded,
		deliveries: [
			...[...names].sort().map((name) => {
				const delivery = deliveryOf(facts, name);
				const isUnread = delivery.state === "past" && isCutOff({ site, name }, person);
				if (delivery.state !== "waiting" && !isUnread) return delivery;
				const wait = waits.find((each) => each.site === site && each.name === name)?.wait;
				return { ...delivery, wait, ...(isUnread && { state: "waiting" as const, ahead: owedMost }) };
			}),
			...left.map(({ destination, reason }): JourneyDelivery => {
				return { destination, state: "skipped", reason, attempts: [] };
			}),
		],
	};
}

function deliveryOf({ event, dropped, steps, owed, dead }: EventFacts, destination: string): JourneyDelivery {
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
	const drop = dropped.find((each) => each.destination === destination);
	if (drop) return { destination, state: "skipped", at: drop.at, reason: drop.reason, attempts };
	return { destination, state: "past", attempts };
}
