import type { Delivery } from "./deliveries.ts";
import type { Ending } from "./lease.ts";
import type { Row } from "./row.ts";

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
	/** Where the next page starts, if there is one. */
	cursor?: string;
}

/** Those that match everything given; an empty selection is all. */
export interface DeadLetterSelection {
	ids?: string[];
	destination?: string;
	reason?: string;
	/** Last tried at or after, ms. */
	since?: number;
	/** Last tried before, ms. */
	before?: number;
}

/** A page of those that match, the oldest first. */
export interface DeadLetterQuery extends DeadLetterSelection {
	limit: number;
	cursor?: string;
}

/** A delivery that ended dead, to be kept as a dead letter. */
export interface Buried {
	/** The destination's number in this store. */
	destination: number;
	/** The person's key, as it is stored. */
	person: string;
	body: string;
	rank: number;
	reserved: boolean;
	ending: Extract<Ending, { kind: "dead" }>;
	/** Number of attempts, with those before a replay. */
	attempts: number;
	firstAt: number;
	at: number;
}

/** History of a dead letter, which it keeps when it is replayed. */
export interface Past {
	attempts: number;
	firstAt: number;
}

/** Makes of a dead letter's row the delivery that a replay owes, the only one of its bundle. */
export const replayed = (row: Row): { delivery: Delivery; past: Past } => ({
	delivery: { place: 0, rank: Number(row.rank), reserved: Boolean(row.reserved), alone: false },
	past: { attempts: Number(row.attempts), firstAt: Number(row.first_at) },
});

/** Reads the place of a page from its cursor: the id of the last dead letter before it. */
export const afterOf = (cursor = "0"): number => Math.min(Number(cursor), Number.MAX_SAFE_INTEGER);

/** Makes a page of up to `limit` rows; one row more says that another page follows. `read` makes text of stored text. */
export function pageOf(rows: readonly Row[], limit: number, read = (stored: string): string => stored): DeadLetterPage {
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
	const last = items.at(-1);
	return rows.length > limit && last ? { items, cursor: last.id } : { items };
}
