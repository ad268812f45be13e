import type { Person } from "../../../shared/event.ts";
import { unreadable } from "../classify.ts";
import type { HttpAnswer } from "../exchange.ts";
import type { Known, Outcome, PlannedRequest } from "../provider.ts";
import type { AttributesKnown } from "../refused-names.ts";
import { type Address, customerKey, isCustomer, isPerson, pickCustomer } from "./customers.ts";

/** Knowledge of a lane's people. They have one e-mail or one userId in common, and may differ in the other. */
export interface HelpCrunchKnown extends AttributesKnown {
	/** HelpCrunch's ids, by the customer's key. Events name customers by id only. */
	ids?: Record<string, number>;
	/** Number of addresses searched without finding a customer, and the time of the last search, by the customer's key. */
	nobody?: Record<string, [addresses: number, at: number]>;
	/** Id that an event gave and that HelpCrunch does not have. */
	wrongId?: number;
	/** Id of the event for which the customer was created, or is searched for again. */
	revivedFor?: string;
	/** Event for which a creation returned no id. `isRefused` is true if no customer can have been created. */
	notCreated?: { for: string; isRefused: boolean };
	/** Customer to whom the attributes were sent. */
	sentTo?: number;
}

/** Maximum number of customers remembered for one lane. The oldest are forgotten first. */
const rememberMost = 5;

/** Returns a copy of the entries with one more as the latest. */
export function putLast<Value>(entries: Record<string, Value> = {}, key: string, value: Value): Record<string, Value> {
	const latest = { ...without(entries, key), [key]: value };
	return Object.fromEntries(Object.entries(latest).slice(-rememberMost));
}

/** Returns a copy of the entries without one of them. */
export function without<Value>(entries: Record<string, Value> = {}, key: string): Record<string, Value> {
	return Object.fromEntries(Object.entries(entries).filter(([other]) => other !== key));
}

const withId = (known: HelpCrunchKnown, key: string, id: number): HelpCrunchKnown => ({
	...known,
	ids: putLast(known.ids, key, id),
	nobody: without(known.nobody, key),
});

/** A search or a creation: a request whose answer may hold a customer's id. */
export interface Lookup extends PlannedRequest {
	purpose: "search" | "create";
	person: Person;
	ifDelivered: HelpCrunchKnown & Known;
	ifMissing: HelpCrunchKnown & Known;
	/** Address that is searched for. */
	address?: Address;
	/** Knowledge of the person if the creation is refused; absent if a refusal ends the event. */
	ifRefused?: (HelpCrunchKnown & Known) | undefined;
}

export const isLookup = (request: PlannedRequest): request is Lookup =>
	request.purpose === "search" || request.purpose === "create";

/** Adds the id that an answer holds to the outcome of a lookup. */
export const afterLookup = (outcome: Outcome, answer: HttpAnswer, lookup: Lookup): Outcome =>
	lookup.purpose === "search" ? afterSearch(outcome, answer, lookup) : afterCreation(outcome, answer, lookup);

function afterSearch(outcome: Outcome, answer: HttpAnswer, lookup: Lookup): Outcome {
	const { person, address, ifDelivered, ifMissing } = lookup;
	if (outcome.kind !== "delivered" || answer.kind !== "reply" || !address) return outcome;
	if (!Array.isArray(answer.json?.data)) return unreadable(answer.status);
	const customers = answer.json.data.filter(isCustomer).filter((customer) => isPerson(customer, person, address));
	const customer = pickCustomer(customers, person);
	if (!customer) return { kind: "unknownPerson", known: ifMissing, status: answer.status };
	return { ...outcome, known: { ...withId(ifDelivered, customerKey(person), customer.id) } };
}

/** Takes an unreadable answer for a possible success: the customer is searched for next, not created once more. */
function afterCreation(outcome: Outcome, answer: HttpAnswer, lookup: Lookup): Outcome {
	const { person, ifDelivered, ifMissing, ifRefused } = lookup;
	if (outcome.kind === "rejected" && outcome.reason !== "unbuildable" && ifRefused)
		return { kind: "unknownPerson", known: ifRefused };
	if (outcome.kind !== "delivered" && !(outcome.kind === "retry" && outcome.unreadable)) return outcome;
	// Public clients read the customer from the root of the answer or from its `data`; the documentation shows neither.
	const customer = answer.kind === "reply" ? [answer.json, answer.json?.data].find(isCustomer) : undefined;
	if (outcome.kind !== "delivered" || !customer) return { kind: "unknownPerson", known: ifMissing };
	return { ...outcome, known: { ...withId(ifDelivered, customerKey(person), customer.id), sentTo: customer.id } };
}
