import type { DestinationStats, OutboxStats } from "../outbox.ts";
import type { Database } from "./connection.ts";
import { optionalNumber } from "./entries.ts";

/** The counters of a destination that are no reasons. */
const plainCounters = ["owed", "lanes", "delivered", "dead", "leftOut"] as const;
const isPlain = (name: string): name is (typeof plainCounters)[number] => plainCounters.some((each) => each === name);

/** How much there is, and was. */
export async function statsOf({ snapshot }: Pick<Database, "snapshot">): Promise<OutboxStats> {
	const [[store], counters, destinations] = await snapshot((run) =>
		Promise.all([
			run(
				`SELECT (SELECT count(*) FROM eventferry.journal WHERE stuck IS NULL) AS journal,
				(SELECT count(*) FROM eventferry.journal WHERE stuck IS NOT NULL) AS stuck,
				(SELECT sum(pg_total_relation_size(oid)) FROM pg_class
					WHERE relnamespace = 'eventferry'::regnamespace AND relkind = 'r')::bigint AS bytes`,
			),
			run(
				`SELECT site, destination, name, sum(value)::bigint AS value FROM eventferry.counter
				GROUP BY site, destination, name ORDER BY site, destination, name`,
			),
			run(
				`SELECT site, name, used, window_start,
				(SELECT min(owed_since) FROM eventferry.lane WHERE lane.destination = destination.id) AS oldest_at
				FROM eventferry.destination`,
			),
		]),
	);
	const result: OutboxStats = {
		journal: Number(store?.journal),
		stuck: Number(store?.stuck),
		events: 0,
		discarded: {},
		bytes: Number(store?.bytes),
		destinations: [],
	};
	const found = new Map<string, DestinationStats>();
	function statsFor(site: string, name: string): DestinationStats {
		const known = found.get(`${site}\n${name}`);
		if (known) return known;
		const row = destinations.find((each) => each.site === site && each.name === name);
		const hasBudget = row !== undefined && row.window_start !== null;
		const stats: DestinationStats = {
			destination: { site, name },
			...(hasBudget && { budget: { used: Number(row.used), windowStart: Number(row.window_start) } }),
			owed: 0,
			lanes: 0,
			oldestAt: optionalNumber(row?.oldest_at),
			delivered: 0,
			dead: 0,
			leftOut: 0,
			discarded: {},
		};
		found.set(`${site}\n${name}`, stats);
		return stats;
	}
	for (const row of counters) {
		const [site, destination, counter] = [String(row.site), String(row.destination), String(row.name)];
		const value = Number(row.value);
		const reason = counter.startsWith("discarded:") ? counter.slice("discarded:".length) : undefined;
		if (destination === "") {
			if (counter === "events") result.events += value;
			if (reason !== undefined) result.discarded[reason] = (result.discarded[reason] ?? 0) + value;
			continue;
		}
		const stats = statsFor(site, destination);
		if (reason !== undefined) stats.discarded[reason] = value;
		if (isPlain(counter)) stats[counter] = value;
	}
	result.destinations = [...found.values()];
	return result;
}
