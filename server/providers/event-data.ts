import type { Event } from "../../shared/event.ts";
import type { CommonOptions } from "./options.ts";

/** Delay of delivery, ms, after which `occurredAt: "late"` adds the capture time. */
const lateMs = 60_000;

/** Name of an event at the providers: that of a `track` or a rule, else the type. */
export const eventName = (event: Event): string => ("name" in event ? event.name : event.type);

/**
 * Data of an event as it is delivered; undefined if there is none. A page view gets its address and title, and events
 * get the capture time as `occurred_at`, since no provider has a field for it.
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
