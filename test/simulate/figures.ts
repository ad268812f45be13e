import type { ProviderName } from "../../server/sandbox/index.ts";
import type { Delivery } from "./outcome.ts";
import { type Budgets, destinations, type Seen } from "./providers.ts";

const minute = 60_000;
const hour = 60 * minute;

/** Figures of one destination's day. */
export interface DestinationFigures {
	name: ProviderName;
	/** Number of events meant for the destination. */
	wanted: number;
	delivered: number;
	waiting: number;
	/** Number of dead letters, by reason. */
	dead: Record<string, number>;
	/** Number of discarded events, by reason. */
	discarded: Record<string, number>;
	/** Number of delivered events by the time from capture to arrival, as far as the arrival is known. */
	within: { minute: number; hour: number; later: number };
	requests: number;
	/** Number of requests, by purpose and answer. */
	spent: Record<string, number>;
	/** Number of requests that the day's budget allows. */
	allowed: number;
}

/** Counts items by key, the largest count first. */
export const countBy = <Item>(items: Iterable<Item>, keyOf: (item: Item) => string): Record<string, number> => {
	const counts: Record<string, number> = {};
	for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
	return Object.fromEntries(Object.entries(counts).sort(([, a], [, b]) => b - a));
};

const reasonOf = ({ outcome }: Delivery): string => ("reason" in outcome ? outcome.reason : "");

const purposes: Record<string, string> = {
	event: "events",
	digest: "digests",
	update: "updates",
	create: "creates",
	search: "lookups",
};

/** Names the purpose of a request, or the failure it met. */
export function spentOn({ purpose, status }: Seen): string {
	if (status === 429) return "refused: over the limit";
	if (status === undefined || status >= 500) return "failed: provider down";
	if (status === 409) return "answered: exists already";
	if (status >= 400) return "answered: no such person";
	return purposes[purpose] ?? purpose;
}

export function destinationFigures(
	deliveries: Delivery[],
	seen: Record<ProviderName, Seen[]>,
	budgets: Budgets,
): DestinationFigures[] {
	const perDay: Record<ProviderName, number> = { crisp: 1, helpcrunch: 1_440, vibetrace: 86_400 };
	return destinations.map((name) => {
		const own = deliveries.filter(({ destination }) => destination === name);
		const withOutcome = (kind: string) => own.filter(({ outcome }) => outcome.kind === kind);
		const delays = withOutcome("delivered").flatMap(({ entry, outcome }) =>
			outcome.kind === "delivered" && outcome.at !== undefined ? [outcome.at - entry.at] : [],
		);
		const countUpTo = (ms: number) => delays.filter((each) => each <= ms).length;
		return {
			name,
			wanted: own.length,
			delivered: withOutcome("delivered").length,
			waiting: withOutcome("waiting").length,
			dead: countBy(withOutcome("dead"), reasonOf),
			discarded: countBy(withOutcome("discarded"), reasonOf),
			within: {
				minute: countUpTo(minute),
				hour: countUpTo(hour) - countUpTo(minute),
				later: delays.length - countUpTo(hour),
			},
			requests: seen[name].length,
			spent: countBy(seen[name], spentOn),
			allowed: budgets[name] * perDay[name],
		};
	});
}

/** Effect of ranks on one class of events, at a destination with more events than budget. */
export interface ClassFigures {
	title: string;
	wanted: number;
	delivered: number;
	/** Number of its events that as many deliveries would have reached in order of arrival. */
	inOrderOfArrival: number;
}

const classes: [title: string, belongs: (delivery: Delivery) => boolean][] = [
	["purchases", ({ entry }) => entry.type === "confirmation"],
	["other events of the backend", ({ entry }) => entry.trusted === true && entry.type !== "confirmation"],
	["logins", ({ entry }) => entry.type === "login"],
	["tracked events", ({ entry }) => entry.type === "track" && !entry.trusted],
	["updates", ({ entry }) => entry.type === "update"],
];

/** Compares ranks with order of arrival. Expects deliveries in the order in which their events were accepted. */
export function classFigures(deliveries: Delivery[], name: ProviderName): ClassFigures[] {
	const wanted = deliveries.filter(({ destination, outcome }) => destination === name && outcome.kind !== "discarded");
	const delivered = wanted.filter(({ outcome }) => outcome.kind === "delivered");
	const first = wanted.slice(0, delivered.length);
	return classes.map(([title, belongs]) => ({
		title,
		wanted: wanted.filter(belongs).length,
		delivered: delivered.filter(belongs).length,
		inOrderOfArrival: first.filter(belongs).length,
	}));
}
