import type { VibetraceConfig } from "../../config/schema.ts";
import { isSigned, isUpdate, type StoredEvent } from "../../stored-event.ts";
import { leadingUpdates, ofFirstPerson, remember, type Sent, unsent } from "../attributes.ts";
import { classify, type Dialect } from "../classify.ts";
import { createExchange } from "../exchange.ts";
import { type AddressedMemory, addressed, cannotCreate, isMissing, missingPlan, notThere } from "../existence.ts";
import { deliveredData, type Plan, type PlannedRequest, type Provider, pageData } from "../provider.ts";

interface Memory extends AddressedMemory {
	sent?: Sent;
}

/** Attributes that decide consent or identity there: never a browser's to set. */
const privileged = new Set(["email", "_id", "isSubscribed", "unsubscribed"]);
const maySet = (name: string, stored: StoredEvent) => !privileged.has(name) || isSigned(stored, name);

interface VibetraceError {
	message?: unknown;
	description?: unknown;
}
const errorsOf = (json: Record<string, unknown> | undefined): VibetraceError[] =>
	Array.isArray(json?.errors) ? json.errors.filter((error) => typeof error === "object" && error !== null) : [];

/**
 * An unknown user's status and body are undocumented: 404, or a 400 that speaks of the user. Those 400s that
 * are documented, of missing event information and invalid user attributes, mean something else.
 */
const unknownUser = (status: number, said: string) =>
	status === 404 ||
	(status === 400 && /\b(user|e-?mail)\b/i.test(said) && !/missing event information|validating user/i.test(said));

const dialect: Dialect = {
	complaint(json) {
		const [first] = errorsOf(json);
		const texts = [first?.message, first?.description].filter((text) => typeof text === "string");
		return { reason: texts[0], message: texts.join(" ") || undefined };
	},
	exception({ status }, { message = "" }, request) {
		if (!unknownUser(status, message)) return undefined;
		if (request.purpose === "event") return notThere(request, status);
		// The only GET is of a user: to be told that this one is unknown takes a key that is right.
		const isTold = request.purpose === "probe" && /\buser\b/i.test(message);
		return isTold ? { kind: "delivered", known: {} } : undefined;
	},
	succeeded: (json) => !("errors" in json),
};

/**
 * Vibetrace's REST API v1: https://help.vtcdn.net/kb/how-to-send-events-via-api/ — no trailing slash,
 * the bare key as `Authorization`, the user must exist before the event.
 */
export function createVibetraceProvider(config: VibetraceConfig): Provider {
	const exchange = createExchange(config.baseUrl, { Authorization: config.apiKey });

	/** What goes under `event`: exactly one type. */
	function payload(stored: StoredEvent, now: number): Record<string, unknown> {
		const { event } = stored;
		const all = Object.entries(deliveredData(event, config.occurredAt, now));
		const data = Object.fromEntries(all.filter(([name]) => maySet(name, stored)));
		if (event.type === "confirmation") return { confirmation: data };
		if (event.type === "track" && config.standardEvents.includes(event.name)) return { [event.name]: data };
		const name = event.type === "track" ? event.name : event.type;
		return { generic: { generic: { ...pageData(event), ...data, event_name: name } } };
	}

	/** Makes the user exist, with the attributes of the updates the lane starts with, which that settles. */
	function planUpsert(events: readonly [StoredEvent, ...StoredEvent[]], memory: Memory, now: number): Plan {
		const { email } = events[0].event.person;
		if (email === undefined) return cannotCreate;
		const { count, attributes, leftOut } = leadingUpdates(events, maySet);
		const request: PlannedRequest = {
			purpose: "create",
			method: "PUT",
			path: ["user", email],
			query: { upsert: "true" },
			body: attributes,
			ifDelivered: {
				...memory,
				missingAt: undefined,
				revivedFor: events[0].event.id,
				sent: remember({}, attributes, now),
			},
		};
		return { kind: "send", request, settles: count, covers: Math.max(count, 1), leftOut };
	}

	return {
		name: "vibetrace",
		title: "Vibetrace",
		allowance: { requests: 10, per: "second" },
		probe: {
			purpose: "probe",
			method: "GET",
			path: ["user", "eventferry-check@example.com"],
			ifDelivered: {},
		},
		addresses: ({ email, ids }) => email !== undefined || ids?.vibetrace !== undefined,

		plan(lane, known: Memory, now) {
			const events = ofFirstPerson(lane, ({ email, ids }) => ids?.vibetrace ?? email);
			const [first] = events;
			const { email, ids } = first.event.person;
			const { given, memory, missing } = addressed(first, ids?.vibetrace, known, now);
			const send = (event: Record<string, unknown>, sent = memory.sent): PlannedRequest => ({
				purpose: "event",
				method: "POST",
				path: ["event"],
				body: { user: given === undefined ? { email } : { _id: given }, event },
				ifDelivered: { ...memory, missingAt: undefined, sent },
				ifMissing: missing,
			});
			const upsert = () => planUpsert(events, memory, now);
			if (!isUpdate(first.event)) {
				if (isMissing(memory, now)) return missingPlan(first, config.createPeople, upsert);
				return { kind: "send", request: send(payload(first, now)), settles: 1, covers: 1 };
			}
			const { count, attributes, leftOut } = leadingUpdates(events, maySet);
			const fields = unsent(attributes, memory.sent, now);
			if (Object.keys(fields).length === 0) return { kind: "done", settles: count, leftOut };
			if (isMissing(memory, now)) return missingPlan(first, config.createPeople, upsert);
			const request = send({ update: fields }, remember(memory.sent, fields, now));
			return { kind: "send", request, settles: count, covers: count, leftOut };
		},

		send: async (request, signal) => classify(await exchange(request, signal), request, dialect),
	};
}
