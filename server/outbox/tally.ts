import type { BudgetState } from "./budget-window.ts";
import type { Destination } from "./destination.ts";
import type { Ending } from "./lease.ts";
import type { RoomUse } from "./room.ts";
import type { Row } from "./row.ts";

export interface DestinationStats {
	destination: Destination;
	/** State of the budget as it was last used; absent before the first use. */
	budget?: BudgetState;
	/** Number of deliveries owed. */
	owed: number;
	/** Number of lanes. */
	lanes: number;
	/** Time at which the oldest delivery was fanned out. */
	oldestAt: number | undefined;
	/** Time at which the first lane is due; absent unless all lanes wait for another attempt. */
	nextDueAt?: number | undefined;
	delivered: number;
	/** Number of dead letters. */
	dead: number;
	/** Number of attributes left out because the provider cannot hold them. */
	leftOut: number;
	/** Deliveries that were discarded, by reason. */
	discarded: Record<string, number>;
}

export interface OutboxStats {
	/** Number of batches not fanned out yet. */
	journal: number;
	/** Age of the oldest of these batches, ms; 0 without one. */
	journalAge: number;
	/** Number of batches set aside because they could not be fanned out. */
	stuck: number;
	/** Number of events fanned out since the store was made, with discarded ones. */
	events: number;
	/** Events discarded at fan-out, by the reason of the claim. */
	discarded: Record<string, number>;
	/** Number of claims, rows of `known` and links that were deleted because the store was full. */
	forgotten: number;
	/** Size of the store on disk, in bytes. */
	bytes: number;
	/** True if a newer eventferry has changed the store, so that this one takes nothing in; absent otherwise. */
	isOutdated?: boolean;
	/** Use of the store's room; absent if its size is not limited. */
	room?: RoomUse;
	destinations: DestinationStats[];
}

/** Name of the destination under which the counters of a whole site are stored. */
export const siteItself = "";

/** Reason of untrusted deliveries that are discarded because too many others of the person wait already. */
export const tooManyWaiting = "too_many_waiting";

/** Reason of dead letters of untrusted events that were deleted because the store was full. */
export const gaveWay = "store_full";

/** Reason of events whose batch was set aside and then discarded by an operator. */
export const batchDiscarded = "batch_discarded";

/** Counter of the claims of untrusted events that are stored, over all sites. */
export const untrustedClaims = "untrustedClaims";

/** Counter of what was remembered of people and deleted because the store was full, over all sites. */
export const forgotten = "forgotten";

const discardedPrefix = "discarded:";
export const discardedFor = (reason: string): string => `${discardedPrefix}${reason}`;
export const counterOf = (ending: Ending): string =>
	ending.kind === "discarded" ? discardedFor(ending.reason) : ending.kind;

const figures = ["owed", "lanes", "delivered", "dead", "leftOut"] as const;
const isFigure = (name: string): name is (typeof figures)[number] => figures.some((each) => each === name);

/**
 * Adds up the statistics of a store from its counters, rows of `site`, `destination`, `name` and `value`. `current`
 * looks up the budget, the oldest delivery and the next time of a destination, which are not counters.
 */
export function tally(
	counters: Iterable<Row>,
	current: (site: string, name: string) => Pick<DestinationStats, "budget" | "oldestAt" | "nextDueAt">,
): Pick<OutboxStats, "events" | "discarded" | "forgotten" | "destinations"> {
	let [events, gone] = [0, 0];
	const discarded: Record<string, number> = {};
	const destinations = new Map<string, DestinationStats>();
	for (const row of counters) {
		const [site, name] = [String(row.site), String(row.destination)];
		const [counter, value] = [String(row.name), Number(row.value)];
		const reason = counter.startsWith(discardedPrefix) ? counter.slice(discardedPrefix.length) : undefined;
		if (name === siteItself) {
			if (counter === "events") events += value;
			if (counter === forgotten) gone += value;
			if (reason !== undefined) discarded[reason] = (discarded[reason] ?? 0) + value;
			continue;
		}
		const key = `${site}\n${name}`;
		const destination = { site, name };
		const none = { owed: 0, lanes: 0, delivered: 0, dead: 0, leftOut: 0, discarded: {} };
		const stats: DestinationStats = destinations.get(key) ?? { destination, ...none, ...current(site, name) };
		destinations.set(key, stats);
		if (reason !== undefined) stats.discarded[reason] = value;
		if (isFigure(counter)) stats[counter] = value;
	}
	return { events, discarded, forgotten: gone, destinations: [...destinations.values()] };
}
