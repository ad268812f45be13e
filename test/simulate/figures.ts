import type { Destination } from "../../server/sandbox/index.ts";
import type { Delivery } from "./outcome.ts";
import { type Budgets, destinations, type Seen } from "./providers.ts";

const minute = 60_000;
const hour = 60 * minute;

/** What became of what one destination was to get. */
export interface DestinationFigures {
	name: Destination;
	/** Events that were to go there. */
	wanted: number;
	delivered: number;
	waiting: number;
	/** Dead letters and what was discarded, by reason. */
	dead: Record<string, number>;
	discarded: Record<string, number>;
	/** Of those whose arrival has a time: how long after their capture they came. */
	within: { minute: number; hour: number; later: number };
	requests: number;
	/** Requests by what they were for and what was answered. */
	spent: Record<string, number>;
	/** Requests that the day's budget allows. */
	allowed: number;
}

export const countBy = <Item>(items: Iterable<Item>, of: (item: Item) => string): Record<string, number> => {
	const counts: Record<string, number> = {};
	for (const item of items) counts[of(item)] = (counts[of(item)] ?? 0) + 1;
	return Object.fromEntries(Object.entries(counts).sort(([, a], [, b]) => b - a));
};

const reasonOf = ({ outcome }: Delivery): string => ("reason" in outcome ? outcome.reason : "");

const words: Record<string, string> = { event: "events", update: "updates", create: "creates", search: "lookups" };

/** What a request was good for. */
export function spentOn({ purpose, status }: Seen): string {
	if (status === 429) return "refused: over the limit";
	if (status === undefined || status >= 500) return "failed: provider down";
	if (status >= 400) return "answered: no such person";
	return words[purpose] ?? purpose;
}

export function destinationFigures(
	deliveries: Delivery[],
	seen: Record<Destination, Seen[]>,
	budgets: Budgets,
): DestinationFigures[] {
	const perDay: Record<Destination, number> = { crisp: 1, helpcrunch: 1_440, vibetrace: 86_400 };
	return destinations.map((name) => {
		const own = deliveries.filter(({ destination }) => destination === name);
		const of = (kind: string) => own.filter(({ outcome }) => outcome.kind === kind);
		const late = of("delivered").flatMap(({ entry, outcome }) =>
			outcome.kind === "delivered" && outcome.at !== undefined ? [outcome.at - entry.at] : [],
		);
		const upTo = (ms: number) => late.filter((each) => each <= ms).length;
		return {
			name,
			wanted: own.length,
			delivered: of("delivered").length,
			waiting: of("waiting").length,
			dead: countBy(of("dead"), reasonOf),
			discarded: countBy(of("discarded"), reasonOf),
			within: { minute: upTo(minute), hour: upTo(hour) - upTo(minute), later: late.length - upTo(hour) },
			requests: seen[name].length,
			spent: countBy(seen[name], spentOn),
			allowed: budgets[name] * perDay[name],
		};
	});
}

/** What the ranks do for one class of events at the destination that gets more than it may take. */
export interface ClassFigures {
	what: string;
	wanted: number;
	delivered: number;
	/** How many of them were among the first that came, as many as were delivered in all. */
	inOrderOfArrival: number;
}

const classes: [what: string, isSo: (delivery: Delivery) => boolean][] = [
	["purchases", ({ entry }) => entry.type === "confirmation"],
	["what else the backend sent", ({ entry }) => entry.trusted === true && entry.type !== "confirmation"],
	["logins", ({ entry }) => entry.type === "login"],
	["tracked events", ({ entry }) => entry.type === "track" && !entry.trusted],
	["updates", ({ entry }) => entry.type === "update"],
];

/** Deliveries come in the order in which their events were accepted. */
export function classFigures(deliveries: Delivery[], name: Destination): ClassFigures[] {
	const wanted = deliveries.filter(({ destination, outcome }) => destination === name && outcome.kind !== "discarded");
	const delivered = wanted.filter(({ outcome }) => outcome.kind === "delivered");
	const first = wanted.slice(0, delivered.length);
	return classes.map(([what, isSo]) => ({
		what,
		wanted: wanted.filter(isSo).length,
		delivered: delivered.filter(isSo).length,
		inOrderOfArrival: first.filter(isSo).length,
	}));
}
