import type { StoredEvent } from "../stored-event.ts";
import type { Delivery } from "./deliveries.ts";
import type { Ending } from "./lease.ts";
import type { Row } from "./row.ts";

/** An event that could not be delivered to a destination, kept for 30 days unless it is replayed or discarded. */
export interface DeadLetter {
	id: string;
	site: string;
	destination: string;
	/** The event as JSON. */
	body: string;
	status?: number;
	reason: string;
	message?: string;
	attempts: number;
	firstAt: number;
	lastAt: number;
}

export interface DeadLetterPage {
	items: DeadLetter[];
	/** Start of the next page; absent on the last one. */
	cursor?: string;
}

/** Conditions that dead letters must all meet; an empty selection means every dead letter. */
export interface DeadLetterSelection {
	ids?: string[] | undefined;
	destination?: string | undefined;
	reason?: string | undefined;
	/** Keys of the people. */
	people?: string[] | undefined;
	/** Name of the event; of one without a name, its type. */
	name?: string | undefined;
	/** Earliest time of the last attempt, ms. */
	since?: number | undefined;
	/** Time before which the last attempt was made, ms. */
	before?: number | undefined;
}

/**
 * A query for a page of the selection, the oldest first. A page is looked for among some hundred dead letters, so it may
 * have none and still a cursor.
 */
export interface DeadLetterQuery extends DeadLetterSelection {
	limit: number;
	cursor?: string | undefined;
}

/** A dead letter to be stored. */
export interface NewDeadLetter {
	/** The destination's number in this store. */
	destination: number;
	/** The person's key, as it is stored. */
	person: string;
	body: string;
	rank: number;
	reserved: boolean;
	trusted: boolean;
	ending: Extract<Ending, { kind: "dead" }>;
	/** Number of attempts, with the attempts before a replay. */
	attempts: number;
	firstAt: number;
	at: number;
}

/** Attempts of a dead letter, kept when it is replayed. */
export interface History {
	attempts: number;
	firstAt: number;
}

/** Turns the row of a dead letter into the delivery of a bundle that holds only this event. */
export const replayed = (row: Row): { delivery: Delivery; history: History } => ({
	delivery: {
		place: 0,
		rank: Number(row.rank),
		reserved: Boolean(row.reserved),
		trusted: Boolean(row.trusted),
		alone: false,
		lapses: false,
		earns: false,
	},
	history: { attempts: Number(row.attempts), firstAt: Number(row.first_at) },
});

/** Reads a cursor: the id of the last dead letter before the page. */
export const readCursor = (cursor = "0"): number => Math.min(Number(cursor), Number.MAX_SAFE_INTEGER);

/** Makes the filter of rows by the name of their event. `read` decodes stored text. */
export function isNamed(name: string | undefined, read = (stored: string): string => stored): (row: Row) => boolean {
	if (name === undefined) return () => true;
	return ({ body }) => {
		const { event } = JSON.parse(read(String(body))) as StoredEvent;
		return ("name" in event ? event.name : event.type) === name;
	};
}

interface PageOptions {
	limit: number;
	/** Last id that was looked at; undefined if it is the last of all. */
	end?: number | undefined;
	/** Decodes stored text. */
	read?(stored: string): string;
}

/** Makes a page of up to `limit` rows. One row more, or an end, means that another page follows. */
export function pageOf(rows: readonly Row[], { limit, end, read = (stored) => stored }: PageOptions): DeadLetterPage {
	const items = rows.slice(0, limit).map((row) => ({
		id: String(row.id),
		site: String(row.site),
		destination: String(row.destination),
		body: read(String(row.body)),
		...(row.status !== null && { status: Number(row.status) }),
		reason: read(String(row.reason)),
		...(row.message !== null && { message: read(String(row.message)) }),
		attempts: Number(row.attempts),
		firstAt: Number(row.first_at),
		lastAt: Number(row.last_at),
	}));
	const cursor = rows.length > limit ? items.at(-1)?.id : end?.toString();
	return cursor === undefined ? { items } : { items, cursor };
}
