import { randomUUID } from "node:crypto";
import type { Explanation } from "../../shared/admin.ts";
import type { CheckedSite } from "../config/config.ts";
import { checkEvent } from "../ingest/check-event.ts";
import { eventName } from "../providers/event-data.ts";
import { isRecord } from "../providers/json.ts";
import type { Known, Outcome, PlannedRequest, Provider } from "../providers/provider.ts";
import { type StoredEvent, setsAttributes } from "../stored-event.ts";
import { type Choice, createChoices } from "./choices.ts";
import { type Account, createRouting, placeOf } from "./route.ts";
import { asRuled } from "./ruled.ts";

/** A site whose rules are explained, with its destinations. */
export interface ExplainedSite {
	site: Pick<CheckedSite, "writeKey" | "identity" | "attributes" | "rules">;
	/** Label of the site. */
	label: string;
	destinations: readonly Account[];
}

type Explained = Explanation["destinations"][string];

/** Person of an event that names nobody. */
const somebody = { email: "visitor@example.com" };
/** Maximum number of requests that are followed. No event needs so many. */
const requestsMost = 16;

/** Completes an event as people write it by hand: a `type` where there is a name, `id`, `at` and somebody. */
function completed(raw: Record<string, unknown>, now: number): Record<string, unknown> {
	const person = isRecord(raw.person) ? raw.person : raw.person === undefined || raw.person === null ? {} : raw.person;
	const isNobody = isRecord(person) && person.email === undefined && person.userId === undefined;
	return {
		...(raw.name !== undefined && { type: "track" }),
		id: randomUUID(),
		at: now,
		...raw,
		person: isNobody ? { ...somebody, ...person } : person,
	};
}

/** Checks an event, as one of the backend's also where it has ids of people at the providers. */
function checked(site: ExplainedSite["site"], raw: Record<string, unknown>, isOfBackend: boolean, now: number) {
	const event = completed(raw, now);
	const isBackend = isOfBackend || (isRecord(event.person) && event.person.ids !== undefined);
	const isInbound = event.type === "email_open";
	return checkEvent(event, { isBackend, isInbound, clockOffset: 0, attributes: site.attributes, now });
}

/** Outcome of a request for a person who had no profile before. */
const imagined = ({ imagine }: Provider, request: PlannedRequest): Outcome =>
	imagine?.(request) ??
	(request.ifMissing && request.purpose !== "create"
		? { kind: "unknownPerson", known: request.ifMissing }
		: { kind: "delivered", known: request.ifDelivered });

/** Follows the requests for an event of a person who is not known yet. */
function requestsFor(
	provider: Provider,
	stored: StoredEvent,
	isWorthProfile: boolean,
	now: number,
): Pick<Explained, "requests" | "ends" | "reason"> {
	const requests: Explained["requests"] = [];
	let known: Known = {};
	while (requests.length < requestsMost) {
		const plan = provider.plan([stored], known, now, isWorthProfile);
		if (plan.kind === "done") return { requests, ends: "delivered" };
		if (plan.kind === "await") return { requests, ends: "waits" };
		if (plan.kind !== "send")
			return { requests, ends: plan.kind === "refuse" ? "dead" : "discarded", reason: plan.reason };
		const { method, path, query, body } = plan.request;
		const outcome = imagined(provider, plan.request);
		const search = query ? `?${new URLSearchParams(query)}` : "";
		requests.push({
			request: `${method} /${path.map(encodeURIComponent).join("/")}${search}`,
			body: body && JSON.parse(JSON.stringify(body)),
			cost: 1,
			answer: outcome.kind === "unknownPerson" ? "unknown_person" : "delivered",
		});
		if (outcome.kind === "delivered" && plan.settles > 0) return { requests, ends: "delivered" };
		known = "known" in outcome && outcome.known ? JSON.parse(JSON.stringify(outcome.known)) : known;
	}
	return { requests, ends: "dead", reason: "no_progress" };
}

/** Says in words why an event is sent or not. */
function because(
	{ isSent, by }: Choice,
	events: readonly string[] | undefined,
	type: string,
	isOwnTracker: boolean,
): string {
	if (by.send !== undefined) return `rules[${by.send}] says send: ${isSent}`;
	if (isOwnTracker) return "its own tracker has sent it";
	if (events) return `events ${isSent ? "lists it" : "does not list it"}`;
	return isSent ? "by default" : `a ${type} is sent only if events or a rule says so`;
}

/**
 * Explains what each destination of a site would be sent for an event of a person who is not known yet, request by
 * request, and which rules decided. Sends nothing. `raw` may lack `id`, `at` and `person`, and may have the `writeKey` of
 * a site other than the first; with `backend: true` it is an event of the backend instead of a page's. Returns the flaw of
 * an event that would be refused.
 */
export function explain(raw: unknown, sites: readonly ExplainedSite[], now: number): Explanation | { flaw: string } {
	if (!isRecord(raw)) return { flaw: 'an event is an object, for example {"type":"track","name":"purchase"}' };
	const { writeKey, backend, ...fields } = raw;
	if (backend !== undefined && typeof backend !== "boolean") return { flaw: "backend: must be true or false" };
	const found = sites.find(({ site }) => writeKey === undefined || site.writeKey === writeKey);
	if (!found) return { flaw: "writeKey: no site has this write key" };
	const { site, label, destinations } = found;
	const result = checked(site, fields, backend === true, now);
	if ("rejection" in result) return { flaw: result.rejection.message };
	const stored: StoredEvent = { ...result.stored, trusted: result.stored.trusted || site.identity === "verified" };
	const { event } = stored;
	const route = createRouting(site.rules, destinations.map(placeOf))(stored);
	const choose = createChoices(site.rules);

	function explainAt({ provider, options }: Account): Explained {
		const { name, title, allowance } = provider;
		const choice = choose(event, event.context?.via, { name, events: options.events });
		const common = {
			title,
			because: because(choice, options.events, event.type, event.context?.via === name),
			by: Object.fromEntries(Object.entries(choice.by).map(([part, index]) => [part, `rules[${index}]`])),
			budget: { requests: options.budget ?? allowance.requests, per: allowance.per },
		};
		const skip = route.skipped.find(({ destination }) => destination === name);
		if (!route.destinations.includes(name))
			return { ...common, sent: false, reason: skip?.reason, requests: [], cost: 0 };
		const delivered = asRuled({ ...stored, ruled: route.ruled }, name);
		const { requests, ...end } = requestsFor(provider, delivered, route.exceptions?.[name]?.earns === true, now);
		const isUnread = route.unreadOrders?.includes(name) ?? false;
		const isMerged = delivered.digest === true && provider.merges?.(delivered.event) !== false;
		// Parts of rules that the event cannot have at this destination decide nothing.
		const idle = [...(isUnread ? ["name", "as", "pick"] : []), ...(isMerged ? [] : ["digest"])];
		return {
			...common,
			by: Object.fromEntries(Object.entries(common.by).filter(([part]) => !idle.includes(part))),
			sent: true,
			as: {
				type: delivered.event.type,
				...(!setsAttributes(delivered.event) && { name: eventName(delivered.event) }),
				...(isMerged && { digest: true }),
				...(choice.what.rank && { rank: choice.what.rank }),
				...(choice.what.expires && { expires: choice.what.expires }),
			},
			...(isUnread && { note: "no orderId can be read from the data, so the event stays as it was captured" }),
			requests,
			cost: requests.length,
			...end,
		};
	}

	return {
		site: label,
		event,
		destinations: Object.fromEntries(destinations.map((each) => [each.provider.name, explainAt(each)])),
	};
}
