import { setImmediate as nextTurn } from "node:timers/promises";
import type { SearchReply, Wanted } from "../../shared/admin.ts";
import { parseJson } from "../http/exact-json.ts";
import type { Activity } from "../observe/activity.ts";
import type { DeadLetter, Destination, Outbox, OwedDelivery } from "../outbox/outbox.ts";
import { normaliseEmail, personKey, type StoredEvent } from "../stored-event.ts";
import { type JourneySources, journeysOf } from "./journeys.ts";

export interface SearchOptions extends Pick<JourneySources, "labelOf" | "skipped"> {
	outbox: Outbox;
	destinations: Destination[];
	activity: Activity;
	/** Ends the search early. */
	signal: AbortSignal;
}

/** Number of journeys returned at most. */
const journeysMost = 50;
/** Maximum number of deliveries read per lane, of dead letters, and of stored copies of one event. */
const foundMost = 200;
/** Dead letters read in one step. */
const pageSize = 500;

/** Returns the keys of the people that a text may name. */
export const keysOf = (text: string): string[] => [`email:${normaliseEmail(text)}`, `userId:${text}`];
const eventOf = (body: string) => (parseJson(body) as StoredEvent).event;

/** Finds the deliveries owed of an event or a person. */
async function findOwed(wanted: Wanted, { outbox, destinations, signal }: SearchOptions): Promise<OwedDelivery[]> {
	if ("person" in wanted) {
		return outbox.findOwed({ destinations, people: keysOf(wanted.person), limit: foundMost });
	}
	const events: string[] = [];
	const persons = new Set<string>();
	let cursor: string | undefined;
	do {
		const found = await outbox.findEvents({ text: wanted.event, cursor });
		for (const { id, body } of found.events) {
			const event = eventOf(body);
			if (event.id !== wanted.event) continue;
			events.push(id);
			persons.add(personKey(event.person) ?? "");
		}
		cursor = found.cursor;
	} while (cursor !== undefined && events.length < foundMost && !signal.aborted);
	if (events.length === 0) return [];
	return outbox.findOwed({ destinations, people: [...persons], events, limit: foundMost });
}

/** Finds the dead letters of an event or a person. `isAll` tells whether all dead letters were searched. */
async function findDead(wanted: Wanted, { outbox, signal }: SearchOptions) {
	const text = JSON.stringify("event" in wanted ? wanted.event : wanted.person)
		.slice(1, -1)
		.toLowerCase();
	const isWanted = ({ body }: DeadLetter) => {
		// Parsing all bodies would take too long.
		if (!body.toLowerCase().includes(text)) return false;
		const event = eventOf(body);
		return "event" in wanted
			? event.id === wanted.event
			: keysOf(wanted.person).includes(personKey(event.person) ?? "");
	};
	const found: DeadLetter[] = [];
	let cursor: string | undefined;
	do {
		const page = await outbox.deadLetters({ limit: pageSize, cursor });
		found.push(...page.items.filter(isWanted));
		cursor = page.cursor;
		await nextTurn();
	} while (cursor !== undefined && found.length < foundMost && !signal.aborted);
	return { dead: found, isAll: cursor === undefined };
}

/**
 * Finds the journeys of an event or a person, in the memory of this process and in the store. Searches in steps, so
 * that it blocks nothing. The signal ends the search early; the reply is then marked as incomplete.
 */
export async function search(wanted: Wanted, options: SearchOptions): Promise<SearchReply> {
	const { outbox, activity, signal } = options;
	const owed = await findOwed(wanted, options);
	const { dead, isAll } = await findDead(wanted, options);
	const journeys = journeysOf({
		...options,
		...activity.remembered(),
		owed,
		owedMost: foundMost,
		dead,
		wanted: "event" in wanted ? wanted : { people: keysOf(wanted.person) },
	});
	return {
		journeys: journeys.slice(0, journeysMost),
		isComplete: isAll && !signal.aborted && journeys.length <= journeysMost,
		journal: (await outbox.stats()).journal,
		since: activity.since(),
	};
}
