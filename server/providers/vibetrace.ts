import type { Event } from "../../shared/event.ts";
import type { VibetraceConfig } from "../config-schema.ts";
import type { StoredEvent } from "../stored-event.ts";
import { leadingUpdates, remember, type Sent, unsent } from "./attributes.ts";
import { classify, type Dialect } from "./classify.ts";
import { createExchange } from "./exchange.ts";
import { cannotCreate, type Existence, ifMissing, missingPlan, notThere } from "./existence.ts";
import { deliveredData, type Plan, type PlannedRequest, type Provider } from "./provider.ts";

interface Memory extends Existence {
	sent?: Sent;
}

/** Attributes that decide consent or identity there: never a browser's to set. */
const privileged = new Set(["email", "_id", "isSubscribed", "unsubscribed"]);
const mayset = (name: string, { trusted }: StoredEvent) => trusted || !privileged.has(name);

interface VibetraceError {
	message?: unknown;
	description?: unknown;
}
const errorsOf = (json: Record<string, unknown> | undefined): VibetraceError[] =>
	Array.isArray(json?.errors) ? json.errors.filter((error) => typeof error === "object" && error !== null) : [];

/**
 * An unknown user's status and body are undocumented: 404, or a 400 that speaks of the user. The one 400
 * that is documented, "Missing event information", speaks of the user too and means something else.
 */
const unknownUser = (status: number, said: string) =>
	status === 404 || (status === 400 && /\b(user|e-?mail)\b/i.test(said) && !/missing event information/i.test(said));

const dialect: Dialect = {
	complaint(json) {
		const [first] = errorsOf(json);
		const texts = [first?.message, first?.description].filter((text) => typeof text === "string");
		return { reason: texts[0], message: texts.join(" ") || undefined };
	},
	exception: ({ status }, { message = "" }, request) =>
		request.purpose === "event" && unknownUser(status, message) ? notThere(request, status) : undefined,
	succeeded: (json) => !("errors" in json),
};

/**
 * Vibetrace's REST API v1: https://help.vtcdn.net/kb/how-to-send-events-via-api/ — no trailing slash,
 * the bare key as `Authorization`, the user must exist before the event.
 */
export function createVibetraceProvider(config: VibetraceConfig): Provider {
	const exchange = createExchange(config.baseUrl, { Authorization: config.apiKey });

	/** What goes under `event`: exactly one type. */
	function payload(event: Event, now: number): Record<string, unknown> {
		const data = deliveredData(event, config.occurredAt, now);
		if (event.type === "confirmation") return { confirmation: data };
		if (event.type === "track" && config.standardEvents.includes(event.name)) return { [event.name]: data };
		const page = event.type === "page" ? { url: event.context?.url, title: event.context?.title } : {};
		const name = event.type === "track" ? event.name : event.type;
		return { generic: { generic: { ...page, ...data, event_name: name } } };
	}

	/** Makes the user exist, with the attributes of the updates the lane starts with, which that settles. */
	function planUpsert(events: readonly [StoredEvent, ...StoredEvent[]], now: number): Plan {
		const { email } = events[0].event.person;
		if (email === undefined) return cannotCreate;
		const { count, attributes, leftOut } = leadingUpdates(events, mayset);
		const request: PlannedRequest = {
			purpose: "create",
			method: "PUT",
			path: ["user", email],
			query: { upsert: "true" },
			body: attributes,
			ifDelivered: { state: "fresh", sent: remember({}, attributes, now) } satisfies Memory,
		};
		return { kind: "send", request, settles: count, covers: Math.max(count, 1), leftOut };
	}

	return {
		name: "vibetrace",
		allowance: { requests: 10, per: "second" },
		addresses: ({ email, ids }) => email !== undefined || ids?.vibetrace !== undefined,

		plan(events, known, now) {
			const [first] = events;
			const memory = known as Memory;
			const { email, ids } = first.event.person;
			const missing = missingPlan(first, memory, config.createPeople, now, () => planUpsert(events, now));
			if (missing) return missing;
			const send = (event: Record<string, unknown>, ifDelivered: Memory): PlannedRequest => ({
				purpose: "event",
				method: "POST",
				path: ["event"],
				body: { user: ids?.vibetrace === undefined ? { email } : { _id: ids.vibetrace }, event },
				ifDelivered: { ...ifDelivered, state: "exists" } satisfies Memory,
				ifMissing: ifMissing(memory, now),
			});
			if (first.event.type !== "login" && first.event.type !== "update") {
				return { kind: "send", request: send(payload(first.event, now), memory), settles: 1, covers: 1 };
			}
			const { count, attributes, leftOut } = leadingUpdates(events, mayset);
			const fields = unsent(attributes, memory.sent, now);
			if (Object.keys(fields).length === 0) return { kind: "done", settles: count, leftOut };
			const request = send({ update: fields }, { sent: remember(memory.sent, fields, now) });
			return { kind: "send", request, settles: count, covers: count, leftOut };
		},

		send: async (request, signal) => classify(await exchange(request, signal), request, dialect),
	};
}
