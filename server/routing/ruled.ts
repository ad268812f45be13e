import type { Event, Order } from "../../shared/event.ts";
import { isOrder } from "../ingest/parse-event.ts";
import { tidyOrder } from "../ingest/tidy-event.ts";
import { eventData, eventName } from "../providers/event-data.ts";
import { isRecord } from "../providers/json.ts";
import { everywhere, type Ruled, type StoredEvent } from "../stored-event.ts";

/** Reads a value by its path: names of fields and places in lists, joined by dots. */
function valueAt(data: unknown, path: string): unknown {
	let value = data;
	for (const name of path.split(".")) {
		if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
		value = (value as Record<string, unknown>)[name];
	}
	return value;
}

const ownPaths = { orderId: "orderId", total: "total", items: "items" };

/**
 * Reads a purchase from an event's data: the fields at the paths of `pick`, or all of the data without it. Undefined if
 * there is no readable `orderId`. A path may begin with `data.`.
 */
export function orderOf(data: Event["data"], pick: Ruled["pick"]): Order | undefined {
	const picked = Object.entries({ ...ownPaths, ...pick }).flatMap(([field, path]) => {
		const value = valueAt(data, path) ?? valueAt({ data }, path);
		return value === undefined ? [] : [[field, value]];
	});
	const order = tidyOrder(pick ? Object.fromEntries(picked) : data);
	return isRecord(order) && isOrder(order) ? (order as Order) : undefined;
}

const ruledFor = ({ ruled }: StoredEvent, destination: string): Ruled | undefined =>
	ruled && (Object.hasOwn(ruled, destination) ? ruled[destination] : ruled[everywhere]);

function withType(event: Event, { as, pick }: Ruled): Event {
	const { id, at, person, color, context } = event;
	const common = { id, at, person, color, context };
	if (as === "track") return { ...common, type: as, name: eventName(event), data: eventData(event, "never", 0) };
	const order = as && orderOf(event.data, pick);
	return order ? { ...common, type: "confirmation", data: order } : event;
}

/** Applies the changes of a site's rules: returns the event as it is delivered to a destination. Pure. */
export function asRuled(stored: StoredEvent, destination: string): StoredEvent {
	const ruled = ruledFor(stored, destination);
	if (!ruled) return stored;
	const { name, color, digest } = ruled;
	const event = { ...withType(stored.event, ruled), ...(name !== undefined && { name }), ...(color && { color }) };
	return { ...stored, event, digest };
}

/** Tells whether a rule forbids to deliver an event now, ms since the epoch. */
export function hasExpired(stored: StoredEvent, destination: string, now: number): boolean {
	const expires = ruledFor(stored, destination)?.expires;
	return expires !== undefined && now >= stored.event.at + expires;
}
