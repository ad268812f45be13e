import type { Person } from "../../../shared/event.ts";
import { leadingUpdates, nameAhead, ofFirstPerson, remember, unsent } from "../attributes.ts";
import { classify, type Dialect, errorTexts } from "../classify.ts";
import { eventData, eventName } from "../event-data.ts";
import { createExchange } from "../exchange.ts";
import { cannotCreate, isMissing, missingPlan } from "../existence.ts";
import type { Connector, Lane, Plan, PlannedRequest } from "../provider.ts";
import { type Address, addressesOf, customerKey, searchFor } from "./customers.ts";
import { customerBody, fieldsOf } from "./fields.ts";
import { afterLookup, type HelpCrunchKnown, isLookup, type Lookup, putLast, without } from "./lookup.ts";
import type { HelpCrunchConfig } from "./options.ts";
import { afterList, removeCustomers } from "./removal.ts";

const dialect: Dialect = {
	// The first error is often the generic `invalid_request`, the last one says what is wrong:
	// https://docs.helpcrunch.com/en/rest-api-v1/add-customer-event-v1
	complaint: (json) => ({
		reason: errorTexts(json, "code").at(-1),
		message: errorTexts(json, "message").join(" "),
	}),
	exceptions: [{ purpose: ["event", "update", "remove"], status: [404], means: "unknownPerson" }],
	succeeded: (json) => !("errors" in json),
};

/**
 * Connects to the customers of HelpCrunch's REST API v1: https://docs.helpcrunch.com/en/rest-api-v1. Updates are PATCH
 * only, because PUT clears the fields that it leaves out:
 * https://docs.helpcrunch.com/en/rest-api-v1/update-customer-v1
 */
export function createHelpCrunchConnector(config: HelpCrunchConfig): Connector {
	const exchange = createExchange(config.baseUrl, { Authorization: `Bearer ${config.apiKey}` });

	/** Plans a search by the person's next address, after `searched` addresses without a result. */
	function planSearch(person: Person, address: Address, searched: number, known: HelpCrunchKnown, now: number): Plan {
		const request: Lookup = {
			...searchFor(address),
			ifDelivered: { ...known },
			ifMissing: { ...known, nobody: putLast(known.nobody, customerKey(person), [searched + 1, now]) },
			person,
			address,
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	/** Plans the creation of a customer with all attributes that the lane's updates would send next. */
	function planCreate(events: Lane, known: HelpCrunchKnown, now: number): Plan {
		const [{ event }] = events;
		const { email, userId } = event.person;
		const before = known.notCreated?.for === event.id ? known.notCreated : undefined;
		if (before && !before.isRefused) return cannotCreate;
		const name = nameAhead(events);
		const all = { ...(name && { name }), ...fieldsOf(leadingUpdates(events).attributes) };
		// The second try has no attributes, as a faulty one may be the cause. The next update is then refused instead.
		const fields = before ? {} : all;
		// After a failure the customer is searched for again, as they may exist: created by that request, or before it.
		const failed = (isRefused: boolean) => ({
			...known,
			nobody: without(known.nobody, customerKey(event.person)),
			notCreated: { for: event.id, isRefused },
		});
		const request: Lookup = {
			purpose: "create",
			method: "POST",
			path: ["customers"],
			body: { ...customerBody(fields), email, userId },
			ifDelivered: { ...known, revivedFor: event.id, sent: remember({}, fields, now) },
			ifMissing: failed(false),
			ifRefused: before ? undefined : failed(true),
			person: event.person,
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	/** Makes a request that tests a right: its customer id belongs to nobody. */
	const rightTest = (request: Pick<PlannedRequest, "method" | "path" | "body">): PlannedRequest => ({
		...request,
		purpose: "right",
		ifDelivered: {},
	});

	return {
		rights: [
			{ name: "send events", request: rightTest({ method: "POST", path: ["events"], body: { customer: 0 } }) },
			{ name: "update customers", request: rightTest({ method: "PATCH", path: ["customers", "0"], body: {} }) },
			{ name: "create customers" },
		],
		// https://docs.helpcrunch.com/en/rest-api-v1/api-setup-v1
		allowance: { requests: 120, per: "minute" },
		probe: { purpose: "probe", method: "GET", path: ["customers"], query: { limit: "1" }, ifDelivered: {} },
		addresses: () => true,

		plan(lane, known: HelpCrunchKnown, now) {
			const events = ofFirstPerson(lane, (person) => JSON.stringify([person.ids?.helpcrunch, customerKey(person)]));
			const [first] = events;
			const { event } = first;
			const key = customerKey(event.person);
			const given = event.person.ids?.helpcrunch;
			const isGiven = given !== undefined && given !== known.wrongId;
			const id = isGiven ? given : known.ids?.[key];

			const { count, attributes, leftOut } = leadingUpdates(events);
			const sent = id !== undefined && known.sentTo === id ? known.sent : {};
			const fields = unsent(fieldsOf(attributes), sent, now);
			if (count > 0 && Object.keys(fields).length === 0) return { kind: "done", settles: count, leftOut };

			const addresses = addressesOf(event.person);
			if (id === undefined) {
				// An hour after the search found nobody it starts again, as the chat or an operator may have created the customer.
				const [searched, missingAt] = known.nobody?.[key] ?? [0, 0];
				const next = isMissing({ missingAt }, now) ? searched : 0;
				const address = addresses[next];
				if (addresses.length === 0) return cannotCreate;
				if (address) return planSearch(event.person, address, next, known, now);
				return missingPlan(first, config, () => planCreate(events, known, now));
			}
			const ifWrongId = addresses.length > 0 ? { ...known, wrongId: given } : undefined;
			const withoutId = { ...known, ids: without(known.ids, key), revivedFor: event.id };
			const ifGone = known.revivedFor === event.id ? undefined : withoutId;
			const isUpdating = count > 0;
			const data = eventData(event, config.occurredAt, now);
			const request: PlannedRequest = {
				purpose: isUpdating ? "update" : "event",
				method: isUpdating ? "PATCH" : "POST",
				path: isUpdating ? ["customers", String(id)] : ["events"],
				body: isUpdating ? customerBody(fields) : { customer: id, name: eventName(event), data },
				ifDelivered: isUpdating ? { ...known, sentTo: id, sent: remember(sent, fields, now) } : { ...known },
				ifMissing: isGiven ? ifWrongId : ifGone,
			};
			return { kind: "send", request, settles: Math.max(count, 1), covers: Math.max(count, 1), leftOut };
		},

		async send(request, signal) {
			const answer = await exchange(request, signal);
			const outcome = classify(answer, request, dialect);
			if (isLookup(request)) return afterLookup(outcome, answer, request);
			return request.purpose === "list" ? afterList(outcome, answer) : outcome;
		},

		imagine(request) {
			if (!isLookup(request) || request.purpose !== "create") return undefined;
			const answer = { kind: "reply", status: 201, json: { id: 0 }, empty: false, retryAfterMs: undefined } as const;
			return afterLookup({ kind: "delivered", known: request.ifDelivered }, answer, request);
		},

		remove: removeCustomers,
	};
}
