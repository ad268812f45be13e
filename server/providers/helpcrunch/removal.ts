import type { Person } from "../../../shared/event.ts";
import type { Admit, Known, Outcome, PlannedRequest, Removal } from "../provider.ts";
import { admitted, removeAll } from "../removal.ts";
import { type Address, addressesOf, isCustomer, isPerson, whoIs } from "./customers.ts";

/** Customers that are deleted at most: e-mails are not unique there, but nobody is that many. */
const mostCustomers = 20;

type Send = (request: PlannedRequest, signal: AbortSignal) => Promise<{ outcome: Outcome; found: unknown }>;

/**
 * Deletes every customer who is this person: those whose id was known, and those that a search by userId and by
 * e-mail finds. The route, `DELETE /customers/{id}`, is known from public clients, not from the documentation.
 */
export async function removeCustomers(
	person: Person,
	known: readonly Known[],
	search: (address: Address) => PlannedRequest,
	admit: Admit,
	send: Send,
): Promise<Removal> {
	const ids = new Set<number>();
	const whose = addressesOf(person).map(({ field, value }) =>
		whoIs(field === "customers.userId" ? { userId: value } : { email: value }),
	);
	for (const { ids: theirs } of known as { ids?: Record<string, number> }[])
		for (const [who, id] of Object.entries(theirs ?? {})) if (whose.includes(who)) ids.add(id);

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
