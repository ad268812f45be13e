import { budgetStateOf } from "../budget-window.ts";
import { optionalNumber } from "../row.ts";
import { type OutboxStats, tally } from "../tally.ts";
import type { Room } from "./room.ts";
import type { Shared } from "./shared.ts";

export function createStats({ database }: Shared, room: Room) {
	return async function stats(): Promise<OutboxStats> {
		const use = await room.use();
		const [[store], counters, destinations] = await database.snapshot((run) =>
			Promise.all([
				run(
					`SELECT (SELECT count(*) FROM eventferry.journal WHERE stuck IS NULL) AS journal,
			(SELECT count(*) FROM eventferry.journal WHERE stuck IS NOT NULL) AS stuck,
			(SELECT extract(epoch FROM clock_timestamp() - stored_at) * 1000 FROM eventferry.journal
				WHERE stuck IS NULL ORDER BY id LIMIT 1) AS journal_age,
			(SELECT sum(pg_total_relation_size(oid)) FROM pg_class
				WHERE relnamespace = 'eventferry'::regnamespace AND relkind = 'r')::bigint AS bytes`,
				),
				run(
					`SELECT site, destination, name, sum(value)::bigint AS value FROM eventferry.counter
			GROUP BY site, destination, name ORDER BY site, destination, name`,
				),
				run(
					`SELECT site, name, used, window_start, tokens, refilled_at,
			(SELECT min(owed_since) FROM eventferry.lane WHERE lane.destination = destination.id) AS oldest_at,
			CASE WHEN (SELECT id FROM eventferry.lane WHERE lane.destination = destination.id AND NOT behind AND NOT asleep LIMIT 1)
				IS NULL THEN (SELECT min(due_at) FROM eventferry.lane WHERE lane.destination = destination.id AND asleep) END AS next_due_at
			FROM eventferry.destination`,
				),
			]),
		);
		function current(site: string, name: string) {
			const row = destinations.find((each) => each.site === site && each.name === name);
			const hasBudget = row !== undefined && row.window_start !== null;
			return {
				...(hasBudget && { budget: budgetStateOf(row) }),
				oldestAt: optionalNumber(row?.oldest_at),
				nextDueAt: optionalNumber(row?.next_due_at),
			};
		}
		return {
			...tally(counters, current),
			journal: Number(store?.journal),
			journalAge: Math.max(0, Number(store?.journal_age ?? 0)),
			stuck: Number(store?.stuck),
			bytes: Number(store?.bytes),
			...(use && { room: use }),
		};
	};
}
