import { setImmediate as nextTurn } from "node:timers/promises";
import type { SearchReply, Wanted } from "../../shared/admin.ts";
import type { Event } from "../../shared/event.ts";
import { parseJson } from "../http/exact-json.ts";
import type { Activity } from "../observe/activity.ts";
import type { DeadLetter, Destination, Outbox, OwedDelivery } from "../outbox/outbox.ts";
import { normaliseEmail, personKey, type StoredEvent } from "../stored-event.ts";
import { journeysOf } from "./journeys.ts";

export interface SearchOptions {
	outbox: Outbox;
	destinations: Destination[];
	activity: Activity;
	labelOf(site: string): string;
	/** Which destinations cannot be told of this event's person. */
	notAddressable(site: string, event: Event): string[];
	/** When to give up looking. */
	signal: AbortSignal;
}

/** Events that are shown at most. */
const shownMost = 50;
/** Deliveries of each lane, and dead letters, that are found at most. */
const foundMost = 200;
/** Dead letters that are looked at in one go. */
const pageSize = 500;

/** The keys that somebody may have who is looked for by this text. */
const keysOf = (text: string) => [`email:${normaliseEmail(text)}`, `userId:${text}`];
const eventOf = (body: string) => (parseJson(body) as StoredEvent).event;

/** What the store owes of what is wanted. */
async function findOwed(wanted: Wanted, { outbox, destinations, signal }: SearchOptions): Promise<OwedDelivery[]> {
	if ("person" in wanted) {
		return outbox.findOwed({ destinations, persons: keysOf(wanted.person), limit: foundMost });
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
	return outbox.findOwed({ destinations, persons: [...persons], events, limit: foundMost });
}

/** The dead letters of what is wanted, and whether these are all. */
async function findDead(
	wanted: Wanted,
	{ outbox, signal }: SearchOptions,
): Promise<{ dead: DeadLetter[]; isAll: boolean }> {
	const text = JSON.stringify("event" in wanted ? wanted.event : wanted.person)
		.slice(1, -1)
		.toLowerCase();
	const isWanted = ({ body }: DeadLetter) => {
		// Parsed only where it can be the one.
		if (!body.toLowerCase().includes(text)) return false;
		const event = eventOf(body);
		return "event" in wanted
			? event.id === wanted.event
			: keysOf(wanted.person).includes(personKey(event.person) ?? "");
	};
	const found: DeadLetter[] = [];
	let cursor: string | undefined;
	do {
		const page = await outbox.deadLetters({ limit: pageSize, ...(cursor !== undefined && { cursor }) });
		found.push(...page.items.filter(isWanted));
		cursor = page.cursor;
		await nextTurn();
	} while (cursor !== undefined && found.length < foundMost && !signal.aborted);
	return { dead: found, isAll: cursor === undefined };
}

/**
 * Where events are and have been: from what this process remembers and what the store has. Looks in steps,
 * and gives up when the signal says so; then it says that it is not complete.
 */
export async function search(wanted: Wanted, options: SearchOptions): Promise<SearchReply> {
	const { outbox, activity, labelOf, notAddressable, signal } = options;
	const owed = await findOwed(wanted, options);
	const { dead, isAll } = await findDead(wanted, options);
	const journeys = journeysOf({
		...activity.remembered(),
		owed,
		owedMost: foundMost,
		dead,
		labelOf,
		notAddressable,
		wanted: "event" in wanted ? wanted : { persons: keysOf(wanted.person) },
	});
	return {
		journeys: journeys.slice(0, shownMost),
		isComplete: isAll && !signal.aborted && journeys.length <= shownMost,
		journal: (await outbox.stats()).journal,
		since: activity.since(),
	};
}
