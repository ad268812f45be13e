import type { Person } from "../../../shared/event.ts";
import type { Admit, Known, Outcome, PlannedRequest, Removal } from "../provider.ts";
import { admitted, removeAll } from "../removal.ts";
import { type Address, addressesOf, customerKey, isCustomer, isPerson } from "./customers.ts";
import type { HelpCrunchMemory } from "./lookup.ts";

/** Most customers deleted for one person. E-mails are not unique, but a search with more results is likely wrong. */
const mostCustomers = 20;

type Send = (request: PlannedRequest, signal: AbortSignal) => Promise<{ outcome: Outcome; found: unknown }>;

/**
 * Deletes every customer who is this person: those with a known id, and those found by userId and by e-mail. The route
 * `DELETE /customers/{id}` is not documented: https://github.com/ralphowino/laravel-helpcrunch uses it.
 */
export async function removeCustomers(
	person: Person,
	known: readonly Known[],
	search: (address: Address) => PlannedRequest,
	admit: Admit,
	send: Send,
): Promise<Removal> {
	const ids = new Set<number>();
	const keys = addressesOf(person).map(({ field, value }) =>
		customerKey(field === "customers.userId" ? { userId: value } : { email: value }),
	);
	for (const memory of known as readonly HelpCrunchMemory[])
		for (const [key, id] of Object.entries(memory.ids ?? {})) if (keys.includes(key)) ids.add(id);

	for (const address of addressesOf(person)) {
		const result = await admitted(admit, (signal) => send(search(address), signal));
		if ("kind" in result) return result;
		const { outcome, found } = result;
		if (outcome.kind !== "delivered" || !Array.isArray(found)) {
			const reason = "reason" in outcome ? outcome.reason : "unreadable";
			return { kind: "failed", reason, ...("status" in outcome && { status: outcome.status }) };
		}
		for (const customer of found.filter(isCustomer)) if (isPerson(customer, person, address)) ids.add(customer.id);
	}
	const paths = [...ids].slice(0, mostCustomers).map((id) => ["customers", String(id)]);
	const removal = await removeAll(paths, admit, async (request, signal) => (await send(request, signal)).outcome);
	return ids.size > mostCustomers && removal.kind !== "failed"
		? { kind: "failed", reason: "too_many_matches" }
		: removal;
}
