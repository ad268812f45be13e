import * as z from "zod";
import type { Event, Person } from "../../../shared/event.ts";
import { isSigned, type StoredEvent } from "../../stored-event.ts";
import { leadingUpdates, refusedAmong, remember, unsent } from "../attributes.ts";
import { classify, type Dialect, errorTexts } from "../classify.ts";
import type { AccountOf, ProviderDefinition } from "../definition.ts";
import { eventData, eventName } from "../event-data.ts";
import { createExchange } from "../exchange.ts";
import { type AddressedKnown, cannotCreate, chooseAddress, ifCreated, isMissing, missingPlan } from "../existence.ts";
import { isRecord } from "../json.ts";
import { baseUrl, text } from "../options.ts";
import type { Connector, Lane, Plan, PlannedRequest } from "../provider.ts";
import { afterTrial, leftOutOf, trial, triedAgain } from "../refused-names.ts";

/** Options of a site's Vibetrace account. */
const options = {
	/** API key: https://help.vtcdn.net/kb/api-overview/ */
	apiKey: text("your Vibetrace API key"),
	/**
	 * Names of `track` events that Vibetrace knows as standard events, sent under their own key; default `viewitem`,
	 * `viewcategory`, `search`, `addtocart` and `checkout`.
	 */
	standardEvents: z.array(z.string()).default(["viewitem", "viewcategory", "search", "addtocart", "checkout"]),
	/** Base URL of Vibetrace's REST API; default `https://api.vtcdn.net/v1`. */
	baseUrl: baseUrl.default("https://api.vtcdn.net/v1"),
};
export type VibetraceConfig = AccountOf<typeof options>;

/** Vibetrace, a marketing automation whose users have events: https://vibetrace.com */
export const vibetrace: ProviderDefinition<typeof options> = {
	title: "Vibetrace",
	options,
	variables: { VIBETRACE_API_KEY: "apiKey", VIBETRACE_BASE_URL: "baseUrl", VIBETRACE_SECOND_BUDGET: "budget" },
	create: createVibetraceConnector,
};

/** Attributes that decide consent or identity at Vibetrace. A browser must not set them. */
const privileged = new Set(["email", "_id", "issubscribed", "unsubscribed"]);
/** Spells a name as a tolerant reader may: without case, outer white space, accents, characters' forms and invisible ones. */
const folded = (name: string) =>
	name
		.normalize("NFKD")
		.toUpperCase()
		.toLowerCase()
		.normalize("NFKD")
		.replaceAll(/[\p{Cc}\p{Cf}\p{DI}\p{M}]/gu, "")
		.trim();
/** Recognises names that Vibetrace may read as an operator or a path of a database. */
const isOperator = (name: string) => /[$.]/.test(folded(name));
const isPrivileged = (name: string) => privileged.has(folded(name)) || isOperator(name);
// Guard (SECURITY.md): privileged-attributes
const maySet = (name: string, stored: StoredEvent) => !isPrivileged(name) || isSigned(stored, name);

/** Copies a value without the inner names that Vibetrace may read as operators or paths, and tells of each. */
function withoutOperators(value: unknown, onLeftOut: () => void): unknown {
	if (Array.isArray(value)) return value.map((inner) => withoutOperators(inner, onLeftOut));
	if (!isRecord(value)) return value;
	const left: [string, unknown][] = [];
	for (const [name, inner] of Object.entries(value)) {
		// Guard (SECURITY.md): nested-operators
		if (isOperator(name)) onLeftOut();
		else left.push([name, withoutOperators(inner, onLeftOut)]);
	}
	return Object.fromEntries(left);
}

const dialect: Dialect = {
	complaint(json) {
		const [message = ""] = errorTexts(json, "message");
		const [description = ""] = errorTexts(json, "description");
		return { reason: message || description, message: `${message} ${description}`.trim() };
	},
	// The answer about an unknown user is documented as "an error", without status or body:
	// https://help.vtcdn.net/kb/how-to-send-events-via-api/
	exceptions: [
		{ purpose: ["event"], status: [404], means: "unknownPerson" },
		{
			purpose: ["event"],
			status: [400],
			// The two documented errors that mention a user are not about an unknown one.
			message: /^(?!.*(missing event information|validating user)).*\b(user|e-?mail)\b/is,
			means: "unknownPerson",
		},
		// The probe asks for a user who does not exist. Vibetrace says so only if the key is right.
		{ purpose: ["probe"], status: [400, 404], message: /\buser\b/i, means: () => ({ kind: "delivered", known: {} }) },
	],
	succeeded: (json) => !("errors" in json),
};

/** Merges a lane's leading updates, without what Vibetrace has no words for: unset attributes and labels. */
function settableUpdates(events: readonly StoredEvent[]) {
	const { count, attributes, leftOut } = leadingUpdates(events, { maySet });
	const set = Object.entries(attributes).filter(([, value]) => value !== null);
	const unset = Object.keys(attributes).length - set.length;
	return { count, attributes: Object.fromEntries(set), leftOut: leftOut + unset };
}

const idOf = ({ ids }: Person): string | undefined => ids?.vibetrace;

/**
 * Connects to the users of Vibetrace's REST API v1: https://help.vtcdn.net/kb/how-to-send-events-via-api/. Paths have no
 * trailing slash, `Authorization` is the bare key, and the user must exist before the event.
 */
function createVibetraceConnector(config: VibetraceConfig): Connector {
	const exchange = createExchange(config.baseUrl, { Authorization: config.apiKey });
	const isStandard = (event: Event): event is Extract<Event, { type: "track" }> =>
		event.type === "track" && config.standardEvents.includes(event.name);

	/**
	 * Makes the value of `event` in a request: an object with one key, Vibetrace's type of the event. Tells of each name
	 * that is left out.
	 */
	function payload(stored: StoredEvent, now: number, onLeftOut: () => void): Record<string, unknown> {
		const { event } = stored;
		const data: Record<string, unknown> = {};
		for (const [name, value] of Object.entries(eventData(event, config.occurredAt, now) ?? {})) {
			if (!maySet(name, stored)) onLeftOut();
			else data[name] = isSigned(stored, name) ? value : withoutOperators(value, onLeftOut);
		}
		if (event.type === "confirmation") return { confirmation: data };
		if (isStandard(event)) return { [event.name]: data };
		return { generic: { generic: { ...data, event_name: eventName(event) } } };
	}

	/** Plans the creation of the user with the attributes of the leading updates, which it settles. */
	function planUpsert(events: Lane, known: AddressedKnown, now: number): Plan {
		const [{ event }] = events;
		const { email } = event.person;
		if (email === undefined) return cannotCreate;
		const { count, attributes, leftOut } = settableUpdates(events);
		const { kept, doubted } = trial(attributes, known, event.id);
		const created = ifCreated(known, event, kept, now);
		const request: PlannedRequest = {
			purpose: "create",
			method: "PUT",
			path: ["user", email],
			query: { upsert: "true" },
			body: kept,
			ifDelivered: { ...created, ...afterTrial(created.sent, doubted, now) },
			attributes: { fields: kept, doubted, of: event.id, before: { ...known }, now },
		};
		const leaving = leftOutOf(leftOut, Object.keys(doubted));
		return { kind: "send", request, settles: count, covers: Math.max(count, 1), ...leaving };
	}

	return {
		// The answers of these routes about an unknown user are not documented.
		rights: [{ name: "send events" }, { name: "create users" }],
		// No limit is documented.
		allowance: { requests: 10, per: "second" },
		probe: { purpose: "probe", method: "GET", path: ["user", "eventferry-check@example.com"], ifDelivered: {} },
		addresses: (person) => (idOf(person) ?? person.email) !== undefined,
		// A standard event means one product, search or basket; a digest would be none of them.
		merges: (event) => !isStandard(event),

		plan(lane, stored: AddressedKnown, now, isWorthProfile = false) {
			const { events, first, id, known, ifMissing } = chooseAddress(lane, idOf, stored, now);
			const { count, attributes, leftOut: unfit } = settableUpdates(events);
			const { kept: fields, doubted } = trial(unsent(attributes, known.sent, now), known, first.event.id);
			let { leftOut, refused } = leftOutOf(unfit, [
				...refusedAmong(attributes, known.sent, now),
				...Object.keys(doubted),
			]);
			if (count > 0 && Object.keys(fields).length === 0) return { kind: "done", settles: count, leftOut, refused };
			const { missingAt = 0 } = known;
			if (isMissing(known, now))
				return missingPlan(first, config, isWorthProfile, missingAt, () => planUpsert(events, known, now));
			const { email } = first.event.person;
			const user = id === undefined ? { email } : { _id: id };
			const request: PlannedRequest = {
				purpose: "event",
				method: "POST",
				path: ["event"],
				body: { user, event: count > 0 ? { update: fields } : payload(first, now, () => (leftOut += 1)) },
				ifDelivered: {
					...known,
					missingAt: undefined,
					...afterTrial(remember(known.sent, fields, now), doubted, now),
				},
				ifMissing,
				attributes: count > 0 ? { fields, doubted, of: first.event.id, before: { ...known }, now } : undefined,
			};
			return { kind: "send", request, settles: Math.max(count, 1), covers: Math.max(count, 1), leftOut, refused };
		},

		send: async (request, signal) => triedAgain(classify(await exchange(request, signal), request, dialect), request),
	};
}
