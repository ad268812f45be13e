import type { Person } from "../../../shared/event.ts";
import type { Admit, Known, Outcome, PlannedRequest, Removal } from "../provider.ts";
import { admitted, removeAll } from "../removal.ts";
import { addressesOf, isCustomer, isPerson, searchFor } from "./customers.ts";
import type { HelpCrunchMemory } from "./lookup.ts";

/** Most customers deleted for one person. E-mails are not unique, but a search with more results is likely wrong. */
const mostCustomers = 20;

/**
 * Deletes every customer who is this person: those with a known id, and those found by userId and by e-mail. The route
 * `DELETE /customers/{id}` is not documented: https://github.com/ralphowino/laravel-helpcrunch uses it. `send` resolves
 * to what an answer means, and to the customers that it lists.
 */
export async function removeCustomers(
	person: Person,
	known: readonly Known[],
	admit: Admit,
	send: (request: PlannedRequest, signal: AbortSignal) => Promise<{ outcome: Outcome; found: unknown }>,
): Promise<Removal> {
	const keys = addressesOf(person).map(({ field, value }) => `${field}:${value}`);
	const remembered = known.flatMap(({ ids = {} }: HelpCrunchMemory) => Object.entries(ids));
	const ids = new Set(remembered.flatMap(([key, id]) => (keys.includes(key) ? [id] : [])));
	for (const address of addressesOf(person)) {
		const result = await admitted(admit, (signal) => send({ ...searchFor(address), ifDelivered: {} }, signal));
		if ("kind" in result) return result;
		const { outcome, found } = result;
		if (outcome.kind !== "delivered" || !Array.isArray(found)) {
			const { reason, status } = { reason: "unreadable", ...outcome };
			return { kind: "failed", reason, status };
		}
		for (const customer of found.filter(isCustomer)) if (isPerson(customer, person, address)) ids.add(customer.id);
	}
	const paths = [...ids].slice(0, mostCustomers).map((id) => ["customers", String(id)]);
	const removal = await removeAll(paths, admit, async (request, signal) => (await send(request, signal)).outcome);
	if (ids.size <= mostCustomers || removal.kind === "failed") return removal;
	return { kind: "failed", reason: "too_many_matches" };
}
