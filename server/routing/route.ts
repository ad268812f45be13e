import type { Event, Person } from "../../shared/event.ts";
import type { DeliveryOptions } from "../config/destination.ts";
import type { Rule } from "../config/rule.ts";
import type { OrderAt } from "../ingest/claims.ts";
import type { EventRoute } from "../ingest/ingest.ts";
import { rankOf } from "../ingest/rank.ts";
import type { Exceptions } from "../outbox/batch.ts";
import { expiredReason } from "../outbox/lease.ts";
import type { Provider } from "../providers/provider.ts";
import { everywhere, type Ruled, type StoredEvent, setsAttributes } from "../stored-event.ts";
import { type Choice, createChoices, type Place } from "./choices.ts";
import { isOfName, matcherOf, type Named } from "./pattern.ts";
import { orderOf } from "./ruled.ts";

/** An account with a provider, and the site's options for it. */
export interface Account {
	provider: Provider;
	options: DeliveryOptions;
}

/** A destination to which events are routed. */
export interface Addressed extends Place {
	/** Time after which a delivery that still waits is given up, ms. */
	maxWait: number;
	/** Tells whether events of this person can be delivered. */
	addresses(person: Person): boolean;
}

/** Describes an account as a destination of events. */
export const placeOf = ({ provider, options: { events, maxWait } }: Account): Addressed => ({
	...{ name: provider.name, events, maxWait, worthProfile: provider.worthProfile },
	addresses: provider.addresses,
});

/** Events of one kind at one destination that gets them. */
interface Sending {
	place: Addressed;
	/** Type of the events there. */
	type: Event["type"];
	ruled: Ruled | undefined;
	rank: Event["type"];
	/** True for events worth a profile. */
	earns: boolean;
	/** The same for events from which no order can be read, if they should be purchases. */
	unread?: Sending;
	/** True if a rule may tell the destination of the same order again. */
	isOrderOnce: boolean;
}

/** Events of one kind, which rules treat alike. */
interface Kind {
	sendings: readonly Sending[];
	/** Routes of untrusted and of trusted events that go to all of the kind's destinations. */
	whole: readonly EventRoute[];
	/** Routes of all other events, by trust and by the sendings that they get. */
	parts: Map<string, EventRoute>;
}

const unitMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Reads a duration such as `2h`, in ms. */
const msOf = (duration: string): number => Number(duration.slice(0, -1)) * (unitMs[duration.slice(-1)] ?? 0);

/** Maximum number of kinds of events that are remembered. Visitors choose names, so all are forgotten beyond it. */
const kindsMost = 1_000;

const isEmpty = (object: object) => Object.keys(object).length === 0;

/** Tells whether events of a type may be merged where a rule says so: no purchase, login or update, as whatever it is sent. */
const isMergeable = (type: Event["type"]): boolean => ["track", "page", "email_open"].includes(type);

/** Chooses the events of one kind at a destination: what a rule says and cannot be is left out. */
function sendingOf(event: Named, place: Addressed, { what }: Choice, isOrderOnce: boolean): Sending {
	const captured = event.type;
	const type = what.as ?? captured;
	const isOrder = type === "confirmation" && captured !== "confirmation";
	const isNamed = !setsAttributes({ type });
	const ruled: Ruled = {
		...(isNamed && what.name !== undefined && { name: what.name }),
		...(type !== captured && { as: what.as }),
		...(isOrder && what.pick && { pick: what.pick }),
		...(isNamed && what.color && { color: what.color }),
		...(what.expires !== undefined && { expires: msOf(what.expires) }),
		...(what.digest && [captured, type].every(isMergeable) && { digest: true as const }),
	};
	const { name = event.name ?? captured } = ruled;
	const isWorth = (pattern: string) => [event, { type, name }].some(matcherOf(pattern));
	const sending = {
		earns: place.worthProfile?.some(isWorth) === true,
		...{ place, type, rank: what.rank ?? type, isOrderOnce: isOrderOnce && type === "confirmation" },
		ruled: isEmpty(ruled) ? undefined : ruled,
	};
	const { as: _, pick: __, name: ___, digest: ____, ...unread } = what;
	return isOrder
		? { ...sending, unread: sendingOf(event, place, { isSent: true, what: unread, by: {} }, false) }
		: sending;
}

/** Returns the facts of a delivery that differ from its event's own. */
function exceptionOf({ place, type, rank, ruled, earns }: Sending, captured: Event["type"], trusted: boolean) {
	const alone = !setsAttributes({ type }) && !ruled?.digest;
	return {
		...(rank !== captured && { rank: rankOf(rank, trusted) }),
		...(alone === setsAttributes({ type: captured }) && { alone }),
		...(ruled?.expires !== undefined && ruled.expires <= place.maxWait && { lapses: true }),
		...(earns && { earns }),
	};
}

/** Joins changes that are equal at all of several destinations, as they are stored with each event. */
function joined(ruled: Record<string, Ruled>, destinations: number): Record<string, Ruled> {
	const [first, ...others] = Object.values(ruled);
	const text = JSON.stringify(first);
	const isSame = others.length === destinations - 1 && others.every((each) => JSON.stringify(each) === text);
	return first && others.length > 0 && isSame ? { [everywhere]: first } : ruled;
}

function routeOf(sendings: readonly Sending[], captured: Event["type"], trusted: boolean): EventRoute {
	const ruled: Record<string, Ruled> = {};
	const exceptions: Record<string, Exceptions[string]> = {};
	for (const sending of sendings) {
		const { name } = sending.place;
		if (sending.ruled) ruled[name] = sending.ruled;
		const exception = exceptionOf(sending, captured, trusted);
		if (!isEmpty(exception)) exceptions[name] = exception;
	}
	return {
		destinations: sendings.map(({ place }) => place.name),
		skipped: [],
		ruled: isEmpty(ruled) ? undefined : joined(ruled, sendings.length),
		exceptions: isEmpty(exceptions) ? undefined : exceptions,
	};
}

/**
 * Makes the pure function that routes a site's events by its rules: to which destinations, and as what. Kinds of events
 * are remembered, so that many rules cost no more than few.
 */
export function createRouting(rules: readonly Rule[], places: readonly Addressed[]) {
	const choose = createChoices(rules);
	const vias = new Set([...rules.flatMap(({ via }) => via ?? []), ...places.map(({ name }) => name)]);
	const isNameOfWorth = [
		...rules.map(({ event }) => event),
		...places.flatMap(({ events = [], worthProfile = [] }) => [...events, ...worthProfile]),
	].some(isOfName);
	const isAboutOrders = ({ name }: Place) =>
		rules.some(({ as, to }) => as === "confirmation" && to?.includes(name) !== false);
	const ordersOnce = new Set(places.filter(isAboutOrders));
	/** Kinds by type and tracker, and by name. Names have a map of their own, as a joined text would be hashed for each event. */
	const kinds = new Map<string, Map<string, Kind>>();
	let remembered = 0;
	const shared = new Map<string, EventRoute>();

	function kindOf(event: Event): Kind {
		const { via } = event.context ?? {};
		const isViaOfWorth = via !== undefined && vias.has(via);
		const name = isNameOfWorth && event.type === "track" ? event.name : "";
		const group = isViaOfWorth ? `${event.type}\n${via}` : event.type;
		const known = kinds.get(group)?.get(name);
		if (known) return known;
		const sendings = places.flatMap((place) => {
			const choice = choose(event, via, place);
			return choice.isSent ? sendingOf(event, place, choice, ordersOnce.has(place)) : [];
		});
		if (remembered >= kindsMost) {
			kinds.clear();
			remembered = 0;
		}
		const whole = [false, true].map((trusted) => sharedRoute(sendings, event.type, trusted));
		const kind: Kind = { sendings, whole, parts: new Map() };
		remembered += 1;
		kinds.set(group, (kinds.get(group) ?? new Map()).set(name, kind));
		return kind;
	}

	/** Makes a route, or returns an equal one made before: ingest compares and encodes routes that events share faster. */
	function sharedRoute(sendings: readonly Sending[], type: Event["type"], trusted: boolean): EventRoute {
		const route = routeOf(sendings, type, trusted);
		const text = JSON.stringify(route);
		const same = shared.get(text) ?? route;
		if (shared.size >= kindsMost) shared.clear();
		shared.set(text, same);
		return same;
	}

	return ({ event, trusted, receivedAt }: StoredEvent): EventRoute => {
		const kind = kindOf(event);
		const { sendings, parts } = kind;
		const isExpired = ({ ruled }: Sending) => ruled?.expires !== undefined && receivedAt >= event.at + ruled.expires;
		const isForIt = (sending: Sending) => sending.place.addresses(event.person) && !isExpired(sending);
		const whole = kind.whole[Number(trusted)];
		if (whole && sendings.every((each) => !each.unread && !each.isOrderOnce && isForIt(each))) return whole;
		const skipped: { destination: string; reason: string }[] = [];
		const orders: OrderAt[] = [];
		const unreadOrders: string[] = [];
		let key = trusted ? "trusted" : "";
		const sent = sendings.flatMap((sending) => {
			const { place, ruled, unread, isOrderOnce } = sending;
			key += "-";
			if (!isForIt(sending)) {
				const reason = place.addresses(event.person) ? expiredReason : "not_addressable";
				skipped.push({ destination: place.name, reason });
				return [];
			}
			const order = unread ? orderOf(event.data, ruled?.pick) : event.type === "confirmation" ? event.data : undefined;
			if (unread && !order) {
				unreadOrders.push(place.name);
				key += "unread";
				return unread;
			}
			key += "sent";
			if (order && isOrderOnce) orders.push({ destination: place.name, orderId: order.orderId });
			return sending;
		});
		const route = parts.get(key) ?? sharedRoute(sent, event.type, trusted);
		parts.set(key, route);
		return { ...route, skipped, orders, unreadOrders };
	};
}
