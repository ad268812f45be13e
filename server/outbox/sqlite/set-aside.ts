import { countEvents, readHead } from "../journal-row.ts";
import { type SetAsidePage, type SetAsideQuery, type SetAsideSelection, setAsidePage } from "../set-aside.ts";
import { batchDiscarded, discardedFor, siteItself } from "../tally.ts";
import type { Shared } from "./shared.ts";
import type { Row } from "./statements.ts";

/** SQL for the condition of batches that were set aside; `?1` lists ids as JSON, or is null for all. */
const chosen = "stuck IS NOT NULL AND (?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))";
const values = ({ ids }: SetAsideSelection) => [ids ? JSON.stringify(ids.map(Number)) : null];

/**
 * SQL for the condition of a batch's bundles, with numbers from `?1` to before `?2`. Lanes owe no event of them, but
 * may owe events of other bundles with such numbers if the batch cannot be read.
 */
const ofBatch = "id >= ?1 AND id < ?2 AND NOT EXISTS (SELECT 1 FROM owing WHERE bundle = bundle.id)";

export function createSetAside({ run, get, all, idOf, count, journal }: Shared) {
	const chosenIds = (selection: SetAsideSelection): string[] =>
		all(`SELECT id FROM journal WHERE ${chosen} ORDER BY id`, values(selection)).map(({ id }) => String(id));

	/** Returns the range of the numbers of a batch's bundles. That of an unreadable batch ends at the next batch. */
	function numbersOf({ id, head }: Row): [number, number] {
		const bundles = readHead(head)?.bundles.length;
		if (bundles !== undefined) return [Number(id), Number(id) + bundles];
		const next = get("SELECT min(id) AS id FROM journal WHERE id > ?", [id ?? null])?.id;
		return [Number(id), Number(next ?? Number.MAX_SAFE_INTEGER)];
	}

	function eventsOf(row: Row): number {
		const head = readHead(row.head);
		if (head) return countEvents(head);
		return Number(get(`SELECT sum(events) AS events FROM bundle WHERE ${ofBatch}`, numbersOf(row))?.events ?? 0);
	}

	return {
		listSetAside({ limit, cursor }: SetAsideQuery): SetAsidePage {
			const rows = all(
				"SELECT * FROM journal WHERE stuck IS NOT NULL AND (?1 IS NULL OR id > ?1) ORDER BY id LIMIT ?2",
				[cursor === undefined ? null : Number(cursor), limit + 1],
			);
			return setAsidePage(
				rows.map((row) => ({ ...row, events: eventsOf(row) })),
				limit,
			);
		},

		chosenIds,

		retrySetAside(selection: SetAsideSelection): number {
			const ids = chosenIds(selection);
			journal.retry(ids.map(Number));
			return ids.length;
		},

		discardSetAside(ids: string[]): number {
			const rows = all(`SELECT id, head FROM journal WHERE ${chosen}`, values({ ids }));
			for (const row of rows) {
				const itself = idOf(readHead(row.head)?.site ?? "", siteItself);
				const events = eventsOf(row);
				count(itself, "events", events);
				count(itself, discardedFor(batchDiscarded), events);
				run(`DELETE FROM bundle WHERE ${ofBatch}`, numbersOf(row));
				run("DELETE FROM journal WHERE id = ?", [row.id ?? null]);
			}
			return rows.length;
		},
	};
}
