import { readHead } from "./journal-row.ts";
import { stepSize } from "./limits.ts";
import { optionalNumber, type Row } from "./row.ts";

/** A batch that could not be fanned out. It stays in the journal until it is tried again or discarded. */
export interface SetAsideBatch {
	id: string;
	/** Absent if the batch cannot be read. */
	site?: string;
	/** Number of events. */
	events: number;
	/** Absent if it is unknown. */
	storedAt?: number;
	/** Message of the failure. */
	reason: string;
}

export interface SetAsidePage {
	items: SetAsideBatch[];
	/** Start of the next page; absent on the last one. */
	cursor?: string;
}

/** A query for a page, the oldest batch first. */
export interface SetAsideQuery {
	limit: number;
	cursor?: string | undefined;
}

/** Batches to try again or to discard; without `ids`, every batch that was set aside. */
export interface SetAsideSelection {
	ids?: string[] | undefined;
}

/** Makes a page of up to `limit` rows of the journal; one row more means that another page follows. */
export function setAsidePage(rows: readonly Row[], limit: number, read = (stored: string): string => stored) {
	const items = rows.slice(0, limit).map((row): SetAsideBatch => {
		const site = readHead(row.head)?.site;
		const storedAt = optionalNumber(row.stored_at);
		return {
			id: String(row.id),
			...(site !== undefined && { site }),
			events: Number(row.events),
			...(storedAt && { storedAt }),
			reason: read(String(row.stuck)),
		};
	});
	const last = items.at(-1);
	return (rows.length > limit && last ? { items, cursor: last.id } : { items }) satisfies SetAsidePage;
}

/** Discards batches in steps, so that many do not stall other work; resolves to their number. */
export async function inSteps(ids: readonly string[], discard: (ids: string[]) => Promise<number>): Promise<number> {
	let done = 0;
	for (let from = 0; from < ids.length; from += stepSize) done += await discard(ids.slice(from, from + stepSize));
	return done;
}
