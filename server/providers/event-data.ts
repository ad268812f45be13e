import type { Event } from "../../shared/event.ts";
import type { CommonOptions } from "./options.ts";

/** Delay of delivery, ms, after which `occurredAt: "late"` adds the capture time. */
const lateMs = 60_000;

/** An event's name: that of a `track`, else the event's type. */
export const eventName = (event: Event): string => (event.type === "track" ? event.name : event.type);

/**
 * An event's data as it is delivered, if there is any: with the page's address and title for a page view, and with the
 * capture time, since no provider accepts a time of its own.
 */
export function eventData({ type, context, data, at }: Event, occurredAt: CommonOptions["occurredAt"], now: number) {
	const { url, title } = (type === "page" && context) || {};
	const isStamped = occurredAt === "always" || (occurredAt === "late" && now - at > lateMs);
	const all: Record<string, unknown> = {
		...(url !== undefined && { url }),
		...(title !== undefined && { title }),
		...data,
		...(isStamped && { occurred_at: new Date(at).toISOString() }),
	};
	return Object.keys(all).length > 0 ? all : undefined;
}
