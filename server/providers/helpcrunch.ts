import type { Event, Person } from "../../shared/event.ts";
import type { HelpCrunchConfig } from "../config-schema.ts";
import type { StoredEvent } from "../stored-event.ts";
import { leadingUpdates, nameAhead, remember, type Sent, splitName, unsent } from "./attributes.ts";
import { type Complaint, classify, type Dialect, unreadable } from "./classify.ts";
import { type Answer, createExchange } from "./exchange.ts";
import { cannotCreate, type Existence, isMissing, missingPlan, notThere } from "./existence.ts";
import {
	deliveredData,
	type Outcome,
	type Plan,
	type PlannedRequest,
	type Provider,
	pageData,
	type Scalar,
} from "./provider.ts";

interface Memory extends Existence {
	/** HelpCrunch's own ids, which alone events take, by the address each was found under. */
	ids?: Record<string, number>;
	/** Addresses that were searched and had nobody, as of `missingAt`. */
	nobody?: string[];
	/** An id that was given and led nowhere. */
	wrongId?: number;
	/** The event for which somebody was to be created, and no id came of it. */
	notCreatedFor?: string;
	sent?: Sent;
	/** Whose attributes `sent` are. */
	sentTo?: number;
}

/** Ids remembered of one person at most, the latest found. */
const rememberIds = 5;

/** An address of a person there: a searchable field and its value. */
interface Address {
	key: string;
	field: "customers.userId" | "customers.email";
	value: string;
}

/** By userId, which is unique there, then by e-mail, which is not. */
function addressesOf({ userId, email }: Person): Address[] {
	const addresses: Address[] = [];
	if (userId !== undefined) addresses.push({ key: `userId:${userId}`, field: "customers.userId", value: userId });
	if (email !== undefined) addresses.push({ key: `email:${email}`, field: "customers.email", value: email });
	return addresses;
}

/** What is known once a customer was found: under this address and those before it, which had nobody. */
function found({ ids, nobody: _, missingAt: __, ...memory }: Memory, addresses: Address[], id: number): Memory {
	const kept = Object.entries({ ...ids, ...Object.fromEntries(addresses.map(({ key }) => [key, id])) });
	return { ...memory, ids: Object.fromEntries(kept.slice(-rememberIds)) };
}

/** Attributes that are fields of a customer; all others are custom data. */
const customerFields = new Set(["phone", "company"]);

/** `en-GB` → `en`: a customer's locale is ISO 639-1 there. What is no such thing is custom data. */
const languageOf = (value: Scalar) => /^([a-z]{2})(?:[-_]|$)/i.exec(String(value))?.[1]?.toLowerCase();

function place(attributes: Record<string, Scalar>): Record<string, Scalar> {
	const placed: Record<string, Scalar> = {};
	const { name, rest } = splitName(attributes);
	if (name !== undefined) placed.name = name;
	for (const [attribute, value] of Object.entries(rest)) {
		const language = attribute === "locale" ? languageOf(value) : undefined;
		if (language !== undefined) placed.locale = language;
		else if (customerFields.has(attribute)) placed[attribute] = String(value);
		else placed[`customData.${attribute}`] = value;
	}
	return placed;
}

function customerBody(placed: Record<string, Scalar>): Record<string, unknown> {
	const custom = Object.entries(placed).filter(([name]) => name.startsWith("customData."));
	const fields = Object.entries(placed).filter(([name]) => !name.startsWith("customData."));
	return {
		...Object.fromEntries(fields),
		...(custom.length > 0 && {
			customData: custom.map(([name, value]) => ({ property: name.slice("customData.".length), value })),
		}),
	};
}

/** Errors come as `{ errors: [{ code, message }, …] }`, the generic one first and the useful one last. */
function complaint(json: Record<string, unknown> | undefined): Complaint {
	const errors = Array.isArray(json?.errors) ? json.errors : [];
	const texts = (key: string) => errors.map((error) => error?.[key]).filter((text) => typeof text === "string");
	return { reason: texts("code").at(-1), message: texts("message").join(" ") || undefined };
}

const dialect: Dialect = {
	complaint,
	exception: ({ status }, _complaint, request) =>
		status === 404 && (request.purpose === "event" || request.purpose === "update")
			? notThere(request, status)
			: undefined,
	succeeded: (json) => !("errors" in json),
};

interface Customer {
	id: number;
	userId?: unknown;
	email?: unknown;
	lastSeen?: unknown;
}

const isCustomer = (value: unknown): value is Customer =>
	typeof value === "object" && value !== null && "id" in value && Number.isSafeInteger(value.id);

/** Whether an answer to a search fits what was searched, as far as it tells: a filter that was not heard would be everybody. */
function fits(customer: Customer, { field, value }: Address): boolean {
	const told = field === "customers.email" ? customer.email : customer.userId;
	if (told === undefined || told === null) return true;
	return field === "customers.email" ? String(told).toLowerCase() === value : String(told) === value;
}

/** E-mails are not unique in HelpCrunch: the same userId wins, else who was seen last, else the lowest id. */
function pick(customers: Customer[], userId: string | undefined): Customer | undefined {
	const same = customers.filter((customer) => userId !== undefined && customer.userId === userId);
	const seen = ({ lastSeen }: Customer) => Number(lastSeen ?? 0) || 0;
	return (same.length > 0 ? same : customers).toSorted((a, b) => seen(b) - seen(a) || a.id - b.id)[0];
}

/** A request whose answer holds an id: what it was for. */
interface Lookup extends PlannedRequest {
	purpose: "search" | "create";
	userId: string | undefined;
	/** Searched now. */
	address?: Address;
	/** Under which the id is remembered. */
	addresses: Address[];
}

/** HelpCrunch's REST API v1: https://docs.helpcrunch.com/en/rest-api-v1 (PATCH only: its PUT clears what is left out). */
export function createHelpCrunchProvider(config: HelpCrunchConfig): Provider {
	const exchange = createExchange(config.baseUrl, { Authorization: `Bearer ${config.apiKey}` });

	function eventBody(event: Event, customer: number, now: number): Record<string, unknown> {
		const name = event.type === "track" ? event.name : event.type;
		const data = { ...pageData(event), ...deliveredData(event, config.occurredAt, now) };
		return { customer, name, ...(Object.keys(data).length > 0 && { data }) };
	}

	/** Looks the person up by the last of these addresses; those before it had nobody. */
	function planSearch({ event: { person } }: StoredEvent, addresses: Address[], memory: Memory, now: number): Plan {
		const address = addresses.at(-1);
		if (!address) return cannotCreate;
		const request: Lookup = {
			purpose: "search",
			method: "POST",
			path: ["customers", "search"],
			body: { filter: [{ field: address.field, operator: "=", value: address.value }], limit: 100, offset: 0 },
			ifDelivered: { ...memory },
			ifMissing: { ...memory, nobody: addresses.map(({ key }) => key), missingAt: now } satisfies Memory,
			userId: person.userId,
			address,
			addresses,
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	/** Creates a customer with all that the lane is about to say of them, so that it need not be said again. */
	function planCreate(events: readonly [StoredEvent, ...StoredEvent[]], memory: Memory, now: number): Plan {
		const [{ event }] = events;
		const { email, userId } = event.person;
		if (memory.notCreatedFor === event.id) return cannotCreate;
		const name = nameAhead(events);
		const fields = { ...(name !== undefined && { name }), ...place(leadingUpdates(events).attributes) };
		const request: Lookup = {
			purpose: "create",
			method: "POST",
			path: ["customers"],
			body: { ...customerBody(fields), ...(email !== undefined && { email }), ...(userId !== undefined && { userId }) },
			ifDelivered: { ...memory, revivedFor: event.id, sent: remember({}, fields, now) } satisfies Memory,
			// Whatever came of it, look before trying again: it may have been done, or have been there already.
			ifMissing: { ...memory, nobody: [], missingAt: undefined, notCreatedFor: event.id } satisfies Memory,
			userId,
			addresses: addressesOf(event.person),
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	/** What to send to a customer whose id is known, or to anybody if there is nothing to say. */
	function planRequest(
		events: readonly [StoredEvent, ...StoredEvent[]],
		id: number | undefined,
		memory: Memory,
		now: number,
	): Plan {
		const [{ event }] = events;
		if (event.type !== "login" && event.type !== "update") {
			const request: PlannedRequest = {
				purpose: "event",
				method: "POST",
				path: ["events"],
				body: eventBody(event, id ?? 0, now),
				ifDelivered: { ...memory },
			};
			return { kind: "send", request, settles: 1, covers: 1 };
		}
		const { count, attributes, leftOut } = leadingUpdates(events);
		const sent = memory.sentTo === id ? memory.sent : {};
		const fields = unsent(place(attributes), sent, now);
		if (Object.keys(fields).length === 0) return { kind: "done", settles: count, leftOut };
		const request: PlannedRequest = {
			purpose: "update",
			method: "PATCH",
			path: ["customers", String(id)],
			body: customerBody(fields),
			ifDelivered: { ...memory, sentTo: id, sent: remember(sent, fields, now) } satisfies Memory,
		};
		return { kind: "send", request, settles: count, covers: count, leftOut };
	}

	/** A search's or create's answer: the id it holds. Never a second customer because the first could not be read. */
	function identified(outcome: Outcome, answer: Answer, lookup: Lookup): Outcome {
		const { purpose, addresses, address, userId, ifDelivered } = lookup;
		const known = (id: number) => ({ ...found(ifDelivered, addresses, id) });
		if (purpose === "create") {
			const customer = answer.kind === "reply" ? [answer.json, answer.json?.data].find(isCustomer) : undefined;
			if (outcome.kind === "delivered" && customer) {
				return { ...outcome, known: { ...known(customer.id), sentTo: customer.id } };
			}
			const isUnclear = outcome.kind === "delivered" || (outcome.kind === "retry" && outcome.unreadable);
			const isRefused = outcome.kind === "rejected" && outcome.reason !== "unbuildable";
			return isUnclear || isRefused ? { kind: "unknownPerson", known: lookup.ifMissing ?? {} } : outcome;
		}
		if (outcome.kind !== "delivered" || answer.kind !== "reply" || !address) return outcome;
		if (!Array.isArray(answer.json?.data)) return unreadable(answer.status);
		const customers = answer.json.data.filter(isCustomer).filter((customer) => fits(customer, address));
		const customer = pick(customers, userId);
		return { ...outcome, known: customer ? known(customer.id) : (lookup.ifMissing ?? {}) };
	}

	return {
		name: "helpcrunch",
		allowance: { requests: 120, per: "minute" },
		addresses: () => true,

		plan(events, known: Memory, now) {
			const [first] = events;
			const { person, id: eventId } = first.event;
			const { missingAt: _, nobody: __, ...lasting } = known;
			// Who was nobody an hour ago may have come by now: by the chat, or by somebody's hand.
			const memory: Memory = isMissing(known, now) ? known : lasting;
			const addresses = addressesOf(person);
			const given = person.ids?.helpcrunch;
			const isGiven = given !== undefined && given !== memory.wrongId;
			// The best address decides: an id found under a lesser one may be somebody else's.
			const isTried = ({ key }: Address) => memory.nobody?.includes(key) ?? false;
			const place = addresses.findIndex((address) => !isTried(address));
			const cached = memory.ids?.[addresses[place]?.key ?? ""];
			const id = isGiven ? given : cached;
			const resolved = cached === undefined ? memory : found(memory, addresses.slice(0, place + 1), cached);

			const plan = planRequest(events, id, isGiven ? memory : resolved, now);
			if (plan.kind !== "send") return plan;
			if (id === undefined) {
				if (place >= 0) return planSearch(first, addresses.slice(0, place + 1), memory, now);
				return missingPlan(first, config.createPeople, () => planCreate(events, memory, now));
			}
			const { ids: ___, ...withoutIds } = memory;
			const lookAgain = memory.revivedFor === eventId ? undefined : { ...withoutIds, revivedFor: eventId };
			const ifMissing = isGiven ? { ...memory, wrongId: given } : lookAgain;
			return { ...plan, request: { ...plan.request, ifMissing } };
		},

		async send(request, signal) {
			const answer = await exchange(request, signal);
			const outcome = classify(answer, request, dialect);
			const isLookup = request.purpose === "search" || request.purpose === "create";
			return isLookup ? identified(outcome, answer, request as Lookup) : outcome;
		},
	};
}
