import { budgetStateOf } from "../budget-window.ts";
import { optionalNumber } from "../row.ts";
import { type OutboxStats, tally } from "../tally.ts";
import type { Shared } from "./shared.ts";

export function createStats({ get, idOf, counters, room }: Shared) {
	/** Looks up the statistics of a destination that are not counters. */
	function current(site: string, name: string) {
		const id = idOf(site, name);
		const oldest = get("SELECT min(owed_since) AS at FROM lane WHERE destination = ?", [id]);
		const ready = get("SELECT id FROM lane WHERE destination = ? AND due_at = 0 AND behind = 0 LIMIT 1", [id]);
		const due = ready ?? get("SELECT min(due_at) AS at FROM lane WHERE destination = ? AND due_at > 0", [id]);
		const budget = get("SELECT * FROM budget WHERE site = ? AND destination = ?", [site, name]);
		return {
			...(budget && { budget: budgetStateOf(budget) }),
			oldestAt: optionalNumber(oldest?.at),
			nextDueAt: optionalNumber(due?.at),
		};
	}

	return function stats(): OutboxStats {
		const journal = Number(get("SELECT count(*) AS n FROM journal WHERE stuck IS NULL")?.n);
		const oldest = get("SELECT stored_at FROM journal WHERE stuck IS NULL ORDER BY id LIMIT 1");
		const journalAge = oldest ? Math.max(0, Date.now() - Number(oldest.stored_at)) : 0;
		const stuck = Number(get("SELECT count(*) AS n FROM journal WHERE stuck IS NOT NULL")?.n);
		const pages = get("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size");
		const use = room.use();
		const bytes = Number(pages?.bytes);
		return { ...tally(counters(), current), journal, journalAge, stuck, bytes, ...(use && { room: use }) };
	};
}
