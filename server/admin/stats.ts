import type { DestinationNumbers, Stats } from "../../shared/admin.ts";
import { budgetLeft } from "../delivery/budget.ts";
import { joinWaits } from "../delivery/forecast.ts";
import type { RunningDestination } from "../delivery/start-delivery.ts";
import type { Activity } from "../observe/activity.ts";
import { byDestination, type Observed, worstState } from "../observe/observed.ts";
import type { DestinationStats, OutboxStats } from "../outbox/outbox.ts";
import { type WaitSources, waitsBy } from "./waits.ts";

/** Joins the numbers of the store and of this process, by destination. */
export function statsView(
	{ destinations: stored, ...store }: OutboxStats,
	observed: Observed & WaitSources & { activity: Pick<Activity, "refused"> },
): Omit<Stats, "sinceStart"> {
	const waitOf = waitsBy({ destinations: stored }, observed);
	const destinations = byDestination(observed.deliveries()).map(([name, running]) => {
		const numbers = stored.filter(({ destination }) => destination.name === name);
		const wait = joinWaits(running.flatMap((each) => waitOf(each) ?? []));
		const refusedNames = observed.activity.refused(name);
		return [name, { ...destinationStats(numbers, running, observed), wait, refusedNames }];
	});
	return { now: observed.now(), ...store, destinations: Object.fromEntries(destinations) };
}

/** Adds up the numbers of all sites' accounts with one provider. */
function destinationStats(
	stored: DestinationStats[],
	running: RunningDestination[],
	{ labelOf, now }: Observed,
): Omit<DestinationNumbers, "refusedNames" | "wait"> {
	const sum = <Item>(items: Item[], numberOf: (item: Item) => number) =>
		items.reduce((total, item) => total + numberOf(item), 0);
	const reasons = [...new Set(stored.flatMap(({ discarded }) => Object.keys(discarded)))];
	const oldest = stored.flatMap(({ oldestAt }) => oldestAt ?? []);
	const state = worstState(running);
	return {
		title: running[0]?.provider.title ?? "",
		state: state.kind,
		...(state.kind !== "running" && { until: state.until, reason: state.reason }),
		...("since" in state && { pausedAt: state.since }),
		creationHold: running.map(({ dispatcher }) => dispatcher.creationHold()).find((hold) => hold !== undefined),
		waiting: sum(stored, ({ owed }) => owed),
		lanes: sum(stored, ({ lanes }) => lanes),
		oldestAt: oldest.length > 0 ? Math.min(...oldest) : undefined,
		delivered: sum(stored, ({ delivered }) => delivered),
		dead: sum(stored, ({ dead }) => dead),
		leftOut: sum(stored, ({ leftOut }) => leftOut),
		discarded: Object.fromEntries(
			reasons.map((reason) => [reason, sum(stored, (each) => each.discarded[reason] ?? 0)]),
		),
		requests: sum(running, ({ dispatcher }) => dispatcher.requests()),
		budget: running.map(({ destination: { site }, limits }) => {
			const use = stored.find((each) => each.destination.site === site)?.budget;
			return {
				site,
				label: labelOf(site),
				limit: limits.cap,
				perMs: limits.windowMs,
				used: use?.used ?? 0,
				since: use?.windowStart,
				left: budgetLeft(limits, use, now()),
			};
		}),
	};
}
