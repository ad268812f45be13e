import type { Delivery } from "./outcome.ts";

/** Choice of a person's events that are delivered, and its cost. */
interface Way {
	/** Number of requests. */
	cost: number;
	events: number;
	purchases: number;
}

type Goal = "events" | "purchases";

const isPurchase = ({ entry }: Delivery) => entry.type === "confirmation";

/**
 * Lists the ways to deliver the leading events of a lane when it is served once. Before each purchase, changes of custom
 * data are one update, and browsing is one digest. Requests that set the name of a profile are counted by `waysOf`.
 */
function waysOfLane(lane: readonly Delivery[]): Way[] {
	const ways: Way[] = [{ cost: 0, events: 0, purchases: 0 }];
	const sent = new Map<string, unknown>();
	let before: Way = { cost: 0, events: 0, purchases: 0 };
	let changed = new Map<string, unknown>();
	let isDigest = false;
	for (const [index, delivery] of lane.entries()) {
		const { type, sets = {} } = delivery.entry;
		const isUpdate = type === "login" || type === "update";
		for (const [name, value] of Object.entries(sets)) if (!name.endsWith("name")) changed.set(name, value);
		if (!isUpdate && !isPurchase(delivery)) isDigest = true;
		const isUpdated = [...changed].some(([name, value]) => sent.get(name) !== value);
		const cost = before.cost + Number(isUpdated) + Number(isDigest) + Number(isPurchase(delivery));
		const way = { cost, events: index + 1, purchases: before.purchases + Number(isPurchase(delivery)) };
		ways.push(way);
		if (!isPurchase(delivery)) continue;
		before = way;
		for (const [name, value] of changed) sent.set(name, value);
		changed = new Map();
		isDigest = false;
	}
	return ways;
}

/**
 * Lists the best ways to serve a person, by cost and purchases. Unknown people cost a refused request and a creation first;
 * with `createFirst` everybody costs a creation.
 */
function waysOf(deliveries: readonly Delivery[], isKnown: boolean, createFirst: boolean): Way[] {
	const lane = (trusted: boolean) => waysOfLane(deliveries.filter(({ entry }) => (entry.trusted ?? false) === trusted));
	const best = new Map<string, Way>();
	const others = lane(false);
	for (const own of lane(true)) {
		for (const other of others) {
			if (own.events + other.events === 0) continue;
			// The creation sets the name of an unknown person. A known person's name takes an update.
			const name = isKnown ? Number(other.events > 0) : 0;
			const creation = createFirst ? 1 : isKnown ? 0 : 2;
			const way = {
				cost: creation + name + own.cost + other.cost,
				events: own.events + other.events,
				purchases: own.purchases + other.purchases,
			};
			const key = `${way.cost} ${way.purchases}`;
			if ((best.get(key)?.events ?? 0) < way.events) best.set(key, way);
		}
	}
	return [...best.values()];
}

/** Finds the minimum of a convex function between 0 and `to`. */
function minimum(to: number, valueAt: (at: number) => number): number {
	let [from, end] = [0, to];
	for (let step = 0; step < 40; step += 1) {
		const [a, b] = [from + (end - from) / 3, end - (end - from) / 3];
		if (valueAt(a) < valueAt(b)) end = b;
		else from = a;
	}
	return valueAt((from + end) / 2);
}

/**
 * Bounds the deliveries that a number of requests allows in a day. Assumes that everybody is served once, at midnight, by
 * somebody who knows the whole day and chooses whom to serve: no order of service during the day delivers more.
 */
export function boundsOf(
	deliveries: readonly Delivery[],
	known: ReadonlySet<string>,
	requests: number,
	createFirst = false,
) {
	const people = [...Map.groupBy(deliveries, ({ entry }) => entry.accepted.person)].map(([person, own]) =>
		waysOf(own, known.has(person), createFirst),
	);
	/** Returns an upper bound on deliveries of one kind, with at least some of the other kind, by Lagrangian duality. */
	return (goal: Goal, other: Goal, atLeast = 0): number => {
		const reachAt = (price: number, worth: number) =>
			people.reduce(
				(sum, ways) =>
					sum + ways.reduce((best, way) => Math.max(best, way[goal] + worth * way[other] - price * way.cost), 0),
				price * requests - worth * atLeast,
			);
		const byPrice = (worth: number) => minimum(100 + 10 * worth, (price) => reachAt(price, worth));
		const bound = atLeast === 0 ? byPrice(0) : minimum(100, byPrice);
		// Rounding errors must not make a bound too low.
		return Math.max(0, Math.floor(bound + 1e-6));
	};
}
