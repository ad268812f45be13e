import type { Destination } from "./destination.ts";
import type { Ending } from "./lease.ts";
import type { Row } from "./row.ts";

export interface DestinationStats {
	destination: Destination;
	/** Requests taken from the budget in its current window, and when that window started. */
	budget?: { used: number; windowStart: number };
	/** Deliveries owed. */
	owed: number;
	/** Lanes with something owed. */
	lanes: number;
	/** When the longest waiting delivery was fanned out. */
	oldestAt: number | undefined;
	delivered: number;
	/** Dead letters kept now. */
	dead: number;
	/** Attributes that did not fit there. */
	leftOut: number;
	/** Not delivered on purpose, by reason. */
	discarded: Record<string, number>;
}

export interface OutboxStats {
	/** Batches on disk that are not fanned out yet. */
	journal: number;
	/** Journal rows that could not be fanned out and were set aside. */
	stuck: number;
	/** Events taken into lanes or discarded so far. */
	events: number;
	/** Events discarded at fan-out, by the reason of the claim that was held. */
	discarded: Record<string, number>;
	/** What the store takes on disk, in bytes. */
	bytes: number;
	destinations: DestinationStats[];
}

/** Takes the place of a destination's name in the counters of a whole site. */
export const siteItself = "";

const discardedPrefix = "discarded:";
/** Names the counter of events or deliveries discarded for a reason. */
export const discardedFor = (reason: string): string => `${discardedPrefix}${reason}`;
/** Names the counter that a delivery adds to when it ends. */
export const counterOf = (ending: Ending): string =>
	ending.kind === "discarded" ? discardedFor(ending.reason) : ending.kind;

const figures = ["owed", "lanes", "delivered", "dead", "leftOut"] as const;
const isFigure = (name: string): name is (typeof figures)[number] => figures.some((each) => each === name);

/**
 * Adds up the statistics of a store from its counters, rows of `site`, `destination`, `name` and `value`.
 * `current` tells the budget and the oldest delivery of a destination, which no counter holds.
 */
export function tally(
	counters: Iterable<Row>,
	current: (site: string, name: string) => Pick<DestinationStats, "budget" | "oldestAt">,
): Pick<OutboxStats, "events" | "discarded" | "destinations"> {
	let events = 0;
	const discarded: Record<string, number> = {};
	const destinations = new Map<string, DestinationStats>();
	for (const row of counters) {
		const [site, name, counter, value] = [
			String(row.site),
			String(row.destination),
			String(row.name),
			Number(row.value),
		];
		const reason = counter.startsWith(discardedPrefix) ? counter.slice(discardedPrefix.length) : undefined;
		if (name === siteItself) {
			if (counter === "events") events += value;
			if (reason !== undefined) discarded[reason] = (discarded[reason] ?? 0) + value;
			continue;
		}
		const key = `${site}\n${name}`;
		const none = { owed: 0, lanes: 0, delivered: 0, dead: 0, leftOut: 0, discarded: {} };
		const stats: DestinationStats = destinations.get(key) ?? {
			destination: { site, name },
			...none,
			...current(site, name),
		};
		destinations.set(key, stats);
		if (reason !== undefined) stats.discarded[reason] = value;
		if (isFigure(counter)) stats[counter] = value;
	}
	return { events, discarded, destinations: [...destinations.values()] };
}
