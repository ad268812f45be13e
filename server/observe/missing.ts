import type { Logger } from "pino";
import type { RunningDestination } from "../delivery/start-delivery.ts";
import type { Outbox, OutboxStats } from "../outbox/outbox.ts";

/** Interval between two looks, ms. */
const everyMs = 60_000;

/**
 * Lists the destinations of our sites to which the store owes events and which this process does not have: another one
 * must deliver them, or the configuration lacks a name.
 */
export function missingDestinations(
	stats: Pick<OutboxStats, "destinations"> | undefined,
	deliveries: readonly Pick<RunningDestination, "destination">[],
): { name: string; waiting: number }[] {
	const served = deliveries.map(({ destination }) => destination);
	const isOurSite = (site: string) => served.some((each) => each.site === site);
	const isServed = (site: string, name: string) => served.some((each) => each.site === site && each.name === name);
	const missing = new Map<string, number>();
	for (const {
		destination: { site, name },
		owed,
	} of stats?.destinations ?? [])
		if (owed > 0 && isOurSite(site) && !isServed(site, name)) missing.set(name, (missing.get(name) ?? 0) + owed);
	return [...missing].map(([name, waiting]) => ({ name, waiting }));
}

/**
 * Looks at the store's stats at once and every minute: logs each missing destination once, and hands the stats to
 * `onLook`. Returns a function that stops it.
 */
export function watchStats(
	outbox: Outbox,
	deliveries: readonly Pick<RunningDestination, "destination">[],
	log: Logger,
	onLook: (stats: OutboxStats) => void,
): () => void {
	const told = new Set<string>();
	async function look(): Promise<void> {
		const stats = await outbox.stats();
		onLook(stats);
		for (const { name, waiting } of missingDestinations(stats, deliveries)) {
			if (told.has(name)) continue;
			told.add(name);
			log.warn(
				{ destination: name, waiting },
				"events wait for a destination that this proxy does not have: they are left to a proxy that has it",
			);
		}
	}
	// The store's own faults are logged where they stop events.
	const tell = () => void look().catch(() => {});
	tell();
	const timer = setInterval(tell, everyMs);
	return () => clearInterval(timer);
}
