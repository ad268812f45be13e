import type { Person } from "../../../shared/event.ts";
import type { HttpAnswer } from "../exchange.ts";
import type { Known, Outcome, PlannedRequest, Removal, Send } from "../provider.ts";
import { removeAll } from "../removal.ts";
import { type Address, addressesOf, isCustomer, isPerson, searchFor } from "./customers.ts";
import type { HelpCrunchKnown } from "./lookup.ts";

/** Maximum number of customers deleted for one person. E-mails are not unique, but more results are likely wrong. */
const mostCustomers = 20;

/** Makes a search for customers. Its outcome has all customers found in `known.found`. */
const listOf = (address: Address): PlannedRequest => ({ ...searchFor(address), purpose: "list", ifDelivered: {} });

/** Adds the customers in an answer to the outcome of {@link listOf}'s request. */
export function afterList(outcome: Outcome, answer: HttpAnswer): Outcome {
	const found = answer.kind === "reply" ? answer.json?.data : undefined;
	return outcome.kind === "delivered" ? { ...outcome, known: { found } } : outcome;
}

/**
 * Deletes the customers who are this person, by known ids and by searches for userId and e-mail. Goes on after a failure,
 * and returns the first one. The route `DELETE /customers/{id}` is not documented, but
 * https://github.com/ralphowino/laravel-helpcrunch uses it.
 */
export async function removeCustomers(person: Person, known: readonly Known[], send: Send): Promise<Removal> {
	const addresses = addressesOf(person);
	const keys = addresses.map(({ field, value }) => `${field}:${value}`);
	const remembered = known.flatMap(({ ids = {} }: HelpCrunchKnown) => Object.entries(ids));
	const ids = new Set(remembered.flatMap(([key, id]) => (keys.includes(key) ? [id] : [])));
	let failure: Removal | undefined;
	for (const address of addresses) {
		const outcome = await send(listOf(address));
		if (outcome.kind !== "delivered" || !Array.isArray(outcome.known.found)) {
			const { reason, status } = { reason: "unreadable", ...outcome };
			failure ??= { kind: "failed", reason, status };
			if (outcome.kind === "wait") return failure;
			continue;
		}
		const customers = outcome.known.found.filter(isCustomer);
		for (const customer of customers) if (isPerson(customer, person, address)) ids.add(customer.id);
	}
	const paths = [...ids].slice(0, mostCustomers).map((id) => ["customers", String(id)]);
	const removal = await removeAll(paths, send);
	if (failure) return failure;
	if (ids.size <= mostCustomers || removal.kind === "failed") return removal;
	return { kind: "failed", reason: "too_many_matches" };
}
