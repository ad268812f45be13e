import type { Person } from "../../../shared/event.ts";
import {
	labelKeys,
	leadingUpdates,
	nameAhead,
	ofFirstPerson,
	refusedAmong,
	remember,
	unsent,
	unsentLabels,
} from "../attributes.ts";
import { classify, type Dialect, errorTexts } from "../classify.ts";
import { eventData, eventName } from "../event-data.ts";
import { createExchange } from "../exchange.ts";
import { cannotCreate, isMissing, missingPlan } from "../existence.ts";
import type { Connector, Lane, Plan, PlannedRequest } from "../provider.ts";
import { afterTrial, leftOutOf, trial, triedAgain } from "../refused-names.ts";
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

const tagsOf = (tags: readonly string[]) => tags.map((name) => ({ name }));

/** Lists the custom data that a complaint names by its place, as in `customData[0].value`. */
function customDataIn(complaint: string, { body }: PlannedRequest): string[] {
	const properties = (Array.isArray(body?.customData) ? body.customData : []).map(({ property }) => String(property));
	return [...complaint.matchAll(/customData(?:\[|\.)(\d+)/g)].flatMap(([, place]) => properties[Number(place)] ?? []);
}

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
		const { attributes, labels } = leadingUpdates(events, { label: "tags" });
		const all = { ...(name && { name }), ...fieldsOf(attributes) };
		// The second try has no attributes, as a faulty one may be the cause. The next update is then refused instead.
		const [fields, tags] = before ? [{}, []] : [all, labels];
		// A new customer has nothing to clear.
		const set = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
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
			body: { ...customerBody(set), tags: tags.length > 0 ? tagsOf(tags) : undefined, email, userId },
			ifDelivered: { ...known, revivedFor: event.id, sent: remember({}, { ...fields, ...labelKeys(tags) }, now) },
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

		plan(lane, known: HelpCrunchKnown, now, isWorthProfile = false) {
			const events = ofFirstPerson(lane, (person) => JSON.stringify([person.ids?.helpcrunch, customerKey(person)]));
			const [first] = events;
			const { event } = first;
			const key = customerKey(event.person);
			const given = event.person.ids?.helpcrunch;
			const isGiven = given !== undefined && given !== known.wrongId;
			const id = isGiven ? given : known.ids?.[key];

			const { count, attributes, labels, leftOut: unfit } = leadingUpdates(events, { label: "tags" });
			const sent = id !== undefined && known.sentTo === id ? known.sent : {};
			const all = fieldsOf(attributes);
			const { kept: fields, doubted } = trial(unsent(all, sent, now), known, event.id);
			const tags = unsentLabels(labels, sent, now);
			const settled = leftOutOf(unfit, [...refusedAmong(all, sent, now), ...Object.keys(doubted)]);
			const isLast = tags.length === 0 || Object.keys(fields).length === 0;
			if (count > 0 && Object.keys(fields).length + tags.length === 0)
				return { kind: "done", settles: count, ...settled };

			const addresses = addressesOf(event.person);
			if (id === undefined) {
				// An hour after the search found nobody it starts again, as the chat or an operator may have created the customer.
				const [searched, missingAt] = known.nobody?.[key] ?? [0, 0];
				const next = isMissing({ missingAt }, now) ? searched : 0;
				const address = addresses[next];
				if (addresses.length === 0) return cannotCreate;
				if (address) return planSearch(event.person, address, next, known, now);
				return missingPlan(first, config, isWorthProfile, missingAt, () => planCreate(events, known, now));
			}
			const ifWrongId = addresses.length > 0 ? { ...known, wrongId: given } : undefined;
			const withoutId = { ...known, ids: without(known.ids, key), revivedFor: event.id };
			const ifGone = known.revivedFor === event.id ? undefined : withoutId;
			const common = { ifMissing: isGiven ? ifWrongId : ifGone };
			if (count === 0) {
				const data = eventData(event, config.occurredAt, now);
				const body = { customer: id, name: eventName(event), data };
				const posted = { purpose: "event", method: "POST", path: ["events"], body, ifDelivered: { ...known } } as const;
				return { kind: "send", request: { ...common, ...posted }, settles: 1, covers: 1 };
			}
			const path = ["customers", String(id)];
			const request: PlannedRequest =
				tags.length > 0
					? {
							...{ ...common, purpose: "update", method: "PUT", path: [...path, "tags"], body: { tags: tagsOf(tags) } },
							ifDelivered: { ...known, sentTo: id, sent: remember(sent, labelKeys(tags), now) },
						}
					: {
							...{ ...common, purpose: "update", method: "PATCH", path, body: customerBody(fields) },
							ifDelivered: { ...known, sentTo: id, ...afterTrial(remember(sent, fields, now), doubted, now) },
							attributes: { fields, doubted, of: event.id, before: { ...known, sentTo: id, sent }, now },
						};
			return { kind: "send", request, settles: isLast ? count : 0, covers: count, ...(isLast && settled) };
		},

		async send(request, signal) {
			const answer = await exchange(request, signal);
			const named = (complaint: string) => customDataIn(complaint, request);
			const outcome = triedAgain(classify(answer, request, dialect), request, named);
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
