import type { Event, Person } from "../../../shared/event.ts";
import type { HelpCrunchConfig } from "../../config/schema.ts";
import { isUpdate, type StoredEvent } from "../../stored-event.ts";
import { leadingUpdates, nameAhead, ofFirstPerson, remember, type Sent, unsent } from "../attributes.ts";
import { type Complaint, classify, type Dialect, unreadable } from "../classify.ts";
import { type Answer, createExchange } from "../exchange.ts";
import { cannotCreate, isMissing, missingPlan, notThere } from "../existence.ts";
import {
	deliveredData,
	type Known,
	type Outcome,
	type Plan,
	type PlannedRequest,
	type Provider,
	pageData,
	type Scalar,
} from "../provider.ts";
import { type Address, addressesOf, customerBody, isCustomer, isPerson, pick, place, whoIs } from "./customers.ts";
import { removeCustomers } from "./removal.ts";

/** What is known of a lane's people: they have one e-mail in common or one userId, and may differ in the other. */
interface Memory {
	/** HelpCrunch's own ids, which alone events take, by whose they are. */
	ids?: Record<string, number>;
	/** How many of somebody's addresses were searched in vain, and when, by whose they are. */
	nobody?: Record<string, [addresses: number, at: number]>;
	/** An id that was given and led nowhere. */
	wrongId?: number;
	/** The event for which the person is looked up again, or was created. */
	revivedFor?: string;
	/** The event for which a creation gave no id, and whether nothing can have come of it. */
	notCreated?: { for: string; isRefused: boolean };
	sent?: Sent;
	/** Whose attributes `sent` are. */
	sentTo?: number;
}

/** How HelpCrunch's reports name a customer. */
export const customerAlias = (id: number) => `customer:${id}`;

/** People remembered of one lane at most, the latest. */
const rememberPeople = 5;

/** These entries with one more, as the latest. */
function put<Value>(entries: Record<string, Value> | undefined, key: string, value: Value): Record<string, Value> {
	const latest = [...Object.entries(without(entries, key)), [key, value] as const].slice(-rememberPeople);
	return Object.fromEntries(latest);
}
function without<Value>(entries: Record<string, Value> = {}, key: string): Record<string, Value> {
	return Object.fromEntries(Object.entries(entries).filter(([other]) => other !== key));
}

/** What is known once somebody's id is. */
const found = (memory: Memory, who: string, id: number): Memory => ({
	...memory,
	ids: put(memory.ids, who, id),
	nobody: without(memory.nobody, who),
});

/** Errors come as `{ errors: [{ code, message }, …] }`, the generic one first and the useful one last. */
function complaint(json: Record<string, unknown> | undefined): Complaint {
	const errors = Array.isArray(json?.errors) ? json.errors : [];
	const texts = (key: string) => errors.map((error) => error?.[key]).filter((text) => typeof text === "string");
	return { reason: texts("code").at(-1), message: texts("message").join(" ") || undefined };
}

const dialect: Dialect = {
	complaint,
	exception: ({ status }, _complaint, request) =>
		status === 404 && ["event", "update", "remove"].includes(request.purpose) ? notThere(request, status) : undefined,
	succeeded: (json) => !("errors" in json),
};

/** A request whose answer may hold somebody's id. */
interface Lookup extends PlannedRequest {
	purpose: "search" | "create";
	person: Person;
	ifDelivered: Memory & Known;
	ifMissing: Memory & Known;
	/** Searched now. */
	address?: Address;
	/** What is known if the creation is refused; absent where that ends it. */
	ifRefused?: (Memory & Known) | undefined;
}
const isLookup = (request: PlannedRequest): request is Lookup =>
	request.purpose === "search" || request.purpose === "create";

function afterSearch(outcome: Outcome, answer: Answer, { person, address, ifDelivered, ifMissing }: Lookup): Outcome {
	if (outcome.kind !== "delivered" || answer.kind !== "reply" || !address) return outcome;
	if (!Array.isArray(answer.json?.data)) return unreadable(answer.status);
	const customers = answer.json.data.filter(isCustomer).filter((customer) => isPerson(customer, person, address));
	const customer = pick(customers, person);
	if (!customer) return { kind: "unknownPerson", known: ifMissing, status: answer.status };
	return { ...outcome, known: { ...found(ifDelivered, whoIs(person), customer.id) } };
}

/** Never a second customer because the first could not be read. */
function afterCreation(
	outcome: Outcome,
	answer: Answer,
	{ person, ifDelivered, ifMissing, ifRefused }: Lookup,
): Outcome {
	if (outcome.kind === "rejected" && outcome.reason !== "unbuildable" && ifRefused)
		return { kind: "unknownPerson", known: ifRefused };
	if (outcome.kind !== "delivered" && !(outcome.kind === "retry" && outcome.unreadable)) return outcome;
	const customer = answer.kind === "reply" ? [answer.json, answer.json?.data].find(isCustomer) : undefined;
	if (outcome.kind !== "delivered" || !customer) return { kind: "unknownPerson", known: ifMissing };
	return { ...outcome, known: { ...found(ifDelivered, whoIs(person), customer.id), sentTo: customer.id } };
}

/** HelpCrunch's REST API v1: https://docs.helpcrunch.com/en/rest-api-v1 (PATCH only: its PUT clears what is left out). */
export function createHelpCrunchProvider(config: HelpCrunchConfig): Provider {
	const exchange = createExchange(config.baseUrl, { Authorization: `Bearer ${config.apiKey}` });

	/** Sends an event, or what is to be updated, to the customer with this id. */
	function requestTo(
		id: number,
		event: Event,
		fields: Record<string, Scalar>,
		now: number,
	): Pick<PlannedRequest, "purpose" | "method" | "path" | "body"> {
		if (isUpdate(event))
			return { purpose: "update", method: "PATCH", path: ["customers", String(id)], body: customerBody(fields) };
		const name = event.type === "track" ? event.name : event.type;
		const data = { ...pageData(event), ...deliveredData(event, config.occurredAt, now) };
		const body = { customer: id, name, ...(Object.keys(data).length > 0 && { data }) };
		return { purpose: "event", method: "POST", path: ["events"], body };
	}

	const searchRequest = ({ field, value }: Address) => ({
		purpose: "search" as const,
		method: "POST" as const,
		path: ["customers", "search"],
		body: { filter: [{ field, operator: "=", value }], limit: 100, offset: 0 },
	});

	/** Looks the person up by their next address; `searched` ones had nobody. */
	function planSearch(person: Person, address: Address, searched: number, memory: Memory, now: number): Plan {
		const request: Lookup = {
			...searchRequest(address),
			ifDelivered: { ...memory },
			ifMissing: { ...memory, nobody: put(memory.nobody, whoIs(person), [searched + 1, now]) },
			person,
			address,
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	/** Creates a customer with all that the lane is about to say of them, so that it need not be said again. */
	function planCreate(events: readonly [StoredEvent, ...StoredEvent[]], memory: Memory, now: number): Plan {
		const [{ event }] = events;
		const { email, userId } = event.person;
		const before = memory.notCreated?.for === event.id ? memory.notCreated : undefined;
		if (before && !before.isRefused) return cannotCreate;
		const name = nameAhead(events);
		const all = { ...(name !== undefined && { name }), ...place(leadingUpdates(events).attributes) };
		// Refused with the attributes, so once more without: these are then refused for themselves.
		const fields = before ? {} : all;
		// Whatever came of it, look before trying again: it may have been done, or have been there already.
		const failed = (isRefused: boolean) => ({
			...memory,
			nobody: without(memory.nobody, whoIs(event.person)),
			notCreated: { for: event.id, isRefused },
		});
		const request: Lookup = {
			purpose: "create",
			method: "POST",
			path: ["customers"],
			body: { ...customerBody(fields), ...(email !== undefined && { email }), ...(userId !== undefined && { userId }) },
			ifDelivered: { ...memory, revivedFor: event.id, sent: remember({}, fields, now) },
			ifMissing: failed(false),
			ifRefused: before ? undefined : failed(true),
			person: event.person,
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	return {
		name: "helpcrunch",
		title: "HelpCrunch",
		allowance: { requests: 120, per: "minute" },
		probe: {
			purpose: "probe",
			method: "GET",
			path: ["customers"],
			query: { limit: "1" },
			ifDelivered: {},
		},
		addresses: () => true,

		plan(lane, memory: Memory, now) {
			const events = ofFirstPerson(lane, (person) => JSON.stringify([person.ids?.helpcrunch, whoIs(person)]));
			const [first] = events;
			const { event } = first;
			const who = whoIs(event.person);
			const given = event.person.ids?.helpcrunch;
			const isGiven = given !== undefined && given !== memory.wrongId;
			const id = isGiven ? given : memory.ids?.[who];

			const { count, attributes, leftOut } = leadingUpdates(events);
			const sent = id !== undefined && memory.sentTo === id ? memory.sent : {};
			const fields = unsent(place(attributes), sent, now);
			if (count > 0 && Object.keys(fields).length === 0) return { kind: "done", settles: count, leftOut };

			const addresses = addressesOf(event.person);
			if (id === undefined) {
				// Who was nobody an hour ago may have come by now: by the chat, or by somebody's hand.
				const [searched, missingAt] = memory.nobody?.[who] ?? [0, 0];
				const next = isMissing({ missingAt }, now) ? searched : 0;
				const address = addresses[next];
				if (addresses.length === 0) return cannotCreate;
				if (address) return planSearch(event.person, address, next, memory, now);
				return missingPlan(first, config.createPeople, () => planCreate(events, memory, now));
			}
			const lookUp = addresses.length > 0 ? { ...memory, wrongId: given } : undefined;
			const again = { ...memory, ids: without(memory.ids, who), revivedFor: event.id };
			const lookUpAgain = memory.revivedFor === event.id ? undefined : again;
			const ifDelivered = count > 0 ? { ...memory, sentTo: id, sent: remember(sent, fields, now) } : { ...memory };
			const request: PlannedRequest = {
				...requestTo(id, event, fields, now),
				ifDelivered,
				ifMissing: isGiven ? lookUp : lookUpAgain,
			};
			return { kind: "send", request, settles: Math.max(count, 1), covers: Math.max(count, 1), leftOut };
		},

		async send(request, signal) {
			const answer = await exchange(request, signal);
			const outcome = classify(answer, request, dialect);
			if (!isLookup(request)) return outcome;
			return request.purpose === "search"
				? afterSearch(outcome, answer, request)
				: afterCreation(outcome, answer, request);
		},

		...(config.hookSecret !== undefined && {
			aliases: ({ ids = {} }: Memory) => Object.values(ids).map(customerAlias),
		}),

		remove: (person, known, admit) =>
			removeCustomers(
				person,
				known,
				(address) => ({ ...searchRequest(address), ifDelivered: {} }),
				admit,
				async (request, signal) => {
					const answer = await exchange(request, signal);
					const found = answer.kind === "reply" ? answer.json?.data : undefined;
					return { outcome: classify(answer, request, dialect), found };
				},
			),
	};
}
