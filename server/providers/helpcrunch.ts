import type { Event } from "../../shared/event.ts";
import type { HelpCrunchConfig } from "../config-schema.ts";
import type { StoredEvent } from "../stored-event.ts";
import { fullName, leadingUpdates, nameAhead, nameAttributes, remember, type Sent, unsent } from "./attributes.ts";
import { type Complaint, classify, type Dialect, unreadable } from "./classify.ts";
import { createExchange } from "./exchange.ts";
import { type Existence, missingPlan, notThere } from "./existence.ts";
import { deliveredData, type Known, type Plan, type PlannedRequest, type Provider, type Scalar } from "./provider.ts";

interface Memory extends Existence {
	/** HelpCrunch's own id of the customer; events take no other. */
	id?: number;
	/** Searched by userId, and nobody was found. */
	searchedUserId?: true;
	/** The id we had turned out wrong: what is found now is the last try. */
	again?: true;
	sent?: Sent;
}

/** Attributes that are fields of a customer; all others are custom data. */
const customerFields = new Set(["phone", "company"]);

/** `en-GB` → `en`: a customer's locale is ISO 639-1 there. What is no such thing is custom data. */
const languageOf = (value: Scalar) => /^([a-z]{2})(?:[-_]|$)/i.exec(String(value))?.[1]?.toLowerCase();

function place(attributes: Record<string, Scalar>): Record<string, Scalar> {
	const placed: Record<string, Scalar> = {};
	const name = fullName(attributes);
	if (name !== undefined) placed.name = name;
	for (const [attribute, value] of Object.entries(attributes)) {
		if (nameAttributes.has(attribute)) continue;
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

/** A search remembers whom it is for, as its answer may hold several. */
interface Search extends PlannedRequest {
	userId: string | undefined;
}

interface Customer {
	id: number;
	userId?: unknown;
	lastSeen?: unknown;
}

/** E-mails are not unique in HelpCrunch: the same userId wins, else who was seen last, else the lowest id. */
function pick(customers: Customer[], userId: string | undefined): Customer | undefined {
	const same = customers.filter((customer) => userId !== undefined && customer.userId === userId);
	const seen = ({ lastSeen }: Customer) => Number(lastSeen ?? 0) || 0;
	return (same.length > 0 ? same : customers).toSorted((a, b) => seen(b) - seen(a) || a.id - b.id)[0];
}

const isCustomer = (value: unknown): value is Customer =>
	typeof value === "object" && value !== null && "id" in value && Number.isSafeInteger(value.id);

/** HelpCrunch's REST API v1: https://docs.helpcrunch.com/en/rest-api-v1 (PATCH only: its PUT clears what is left out). */
export function createHelpCrunchProvider(config: HelpCrunchConfig): Provider {
	const exchange = createExchange(config.baseUrl, { Authorization: `Bearer ${config.apiKey}` });

	function eventBody(event: Event, customer: number, now: number): Record<string, unknown> {
		const name = event.type === "track" ? event.name : event.type;
		const page = event.type === "page" ? { url: event.context?.url, title: event.context?.title } : {};
		const data = { ...page, ...deliveredData(event, config.occurredAt, now) };
		return { customer, name, ...(Object.keys(data).length > 0 && { data }) };
	}

	/** Looks the person up: by userId, which is unique there, else by e-mail, which is not. */
	function planSearch({ event: { person } }: StoredEvent, memory: Memory, now: number): Plan {
		const byUserId = person.userId !== undefined && !memory.searchedUserId;
		const [field, value] = byUserId ? ["customers.userId", person.userId] : ["customers.email", person.email];
		const again = memory.again && { again: memory.again };
		const emailIsLeft = byUserId && person.email !== undefined;
		const request: Search = {
			purpose: "search",
			method: "POST",
			path: ["customers", "search"],
			body: { filter: [{ field, operator: "=", value }], limit: 100, offset: 0 },
			ifDelivered: { state: memory.again ? "fresh" : "exists" } satisfies Memory,
			ifMissing: emailIsLeft ? { searchedUserId: true, ...again } : { state: "missing", missingAt: now },
			userId: person.userId,
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	function planCreate(events: readonly [StoredEvent, ...StoredEvent[]], now: number): Plan {
		const { email, userId } = events[0].event.person;
		const name = nameAhead(events);
		const fields = { ...(name !== undefined && { name }) };
		const request: PlannedRequest = {
			purpose: "create",
			method: "POST",
			path: ["customers"],
			body: { ...fields, ...(email !== undefined && { email }), ...(userId !== undefined && { userId }) },
			ifDelivered: { state: "fresh", sent: remember({}, fields, now) } satisfies Memory,
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	function planUpdates(
		events: readonly StoredEvent[],
		id: number,
		memory: Memory,
		unknown: Known | undefined,
		now: number,
	): Plan {
		const { count, attributes, leftOut } = leadingUpdates(events);
		const fields = unsent(place(attributes), memory.sent, now);
		if (Object.keys(fields).length === 0) return { kind: "done", settles: count, leftOut };
		const request: PlannedRequest = {
			purpose: "update",
			method: "PATCH",
			path: ["customers", String(id)],
			body: customerBody(fields),
			ifDelivered: { id, state: "exists", sent: remember(memory.sent, fields, now) } satisfies Memory,
			ifMissing: unknown,
		};
		return { kind: "send", request, settles: count, covers: count, leftOut };
	}

	return {
		name: "helpcrunch",
		allowance: { requests: 120, per: "minute" },
		addresses: () => true,

		plan(events, known, now) {
			const [first] = events;
			const memory = known as Memory;
			const given = first.event.person.ids?.helpcrunch;
			const missing = missingPlan(first, memory, config.createPeople, now, () => planCreate(events, now));
			if (missing && given === undefined) return missing;
			const id = given ?? memory.id;
			if (id === undefined) return planSearch(first, memory, now);
			// An id that turns out wrong is looked up once more; one that was given, or was just found, is not.
			const unknown = given !== undefined || memory.state === "fresh" ? undefined : ({ again: true } satisfies Memory);
			if (first.event.type === "login" || first.event.type === "update") {
				return planUpdates(events, id, memory, unknown, now);
			}
			const request: PlannedRequest = {
				purpose: "event",
				method: "POST",
				path: ["events"],
				body: eventBody(first.event, id, now),
				ifDelivered: { ...memory, id, state: "exists" } satisfies Memory,
				ifMissing: unknown,
			};
			return { kind: "send", request, settles: 1, covers: 1 };
		},

		async send(request, signal) {
			const answer = await exchange(request, signal);
			const outcome = classify(answer, request, dialect);
			if (outcome.kind !== "delivered" || answer.kind !== "reply") return outcome;
			if (request.purpose === "create") {
				const customer = [answer.json, answer.json?.data].find(isCustomer);
				return customer
					? { ...outcome, known: { ...request.ifDelivered, id: customer.id } }
					: unreadable(answer.status);
			}
			if (request.purpose === "search") {
				if (!Array.isArray(answer.json?.data)) return unreadable(answer.status);
				const found = pick(answer.json.data.filter(isCustomer), (request as Search).userId);
				return { ...outcome, known: found ? { ...request.ifDelivered, id: found.id } : (request.ifMissing ?? {}) };
			}
			return outcome;
		},
	};
}
