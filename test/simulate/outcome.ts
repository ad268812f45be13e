import type { Destination, SandboxPerson } from "../../server/sandbox/index.ts";
import type { Accepted, Entry } from "./ledger.ts";
import type { Left } from "./left.ts";
import { destinations } from "./providers.ts";

/** What became of an accepted event at one destination. */
export type Outcome =
	| { kind: "delivered"; at: number | undefined }
	| { kind: "waiting" }
	| { kind: "dead"; reason: string }
	| { kind: "discarded"; reason: string };

export interface Delivery {
	entry: Entry & { accepted: Accepted };
	destination: Destination;
	outcome: Outcome;
}

/** What a provider has of a person: when each numbered event came, and how often. */
export type Arrivals = Map<number | string, number[]>;

const minute = 60_000;

/** Events as they arrived at a provider, by their number, orders by theirs. */
export function arrivalsOf(people: SandboxPerson[]): Arrivals {
	const arrivals: Arrivals = new Map();
	for (const { events } of people) {
		for (const { name, data, at } of events) {
			const key = name === "confirmation" ? String(data?.orderId) : Number(data?.n);
			arrivals.set(key, [...(arrivals.get(key) ?? []), at]);
		}
	}
	return arrivals;
}

const isAccepted = (entry: Entry): entry is Entry & { accepted: Accepted } => entry.accepted !== undefined;
const byAcceptance = (a: Entry & { accepted: Accepted }, b: Entry & { accepted: Accepted }) =>
	a.accepted.answered - b.accepted.answered || a.accepted.place - b.accepted.place;

/** Which of the accepted events the restrictions discard, and why: of an order the second, of opens those within 20 minutes. */
function discardedOf(accepted: (Entry & { accepted: Accepted })[]): Map<Entry, string> {
	const discarded = new Map<Entry, string>();
	const orders = new Set<string>();
	const opens = new Map<string, number>();
	for (const entry of accepted) {
		const { type, orderId, at } = entry;
		const { person } = entry.accepted;
		if (type === "confirmation") {
			const order = `${person} ${orderId}`;
			if (orders.has(order)) discarded.set(entry, "duplicate_order");
			orders.add(order);
		}
		if (type === "email_open") {
			const last = opens.get(person);
			if (last !== undefined && at >= last && at < last + 20 * minute) discarded.set(entry, "email_open_too_soon");
			else opens.set(person, at);
		}
	}
	return discarded;
}

/** Every accepted event at every destination that wants it, and what became of it. Page views go nowhere. */
export function deliveriesOf(entries: Entry[], left: Left, arrivals: Record<Destination, Arrivals>): Delivery[] {
	const accepted = entries.filter(isAccepted).sort(byAcceptance);
	const discarded = discardedOf(accepted);
	const outcomeOf = (entry: Entry & { accepted: Accepted }, name: Destination): Outcome => {
		const { id, person } = entry.accepted;
		const restricted = discarded.get(entry);
		if (restricted !== undefined) return { kind: "discarded", reason: restricted };
		if (name !== "helpcrunch" && person.startsWith("userId:")) return { kind: "discarded", reason: "not_addressable" };
		if (left.owed[name].has(id)) return { kind: "waiting" };
		const reason = left.dead[name].get(id);
		if (reason !== undefined) return { kind: "dead", reason };
		return { kind: "delivered", at: arrivals[name].get(entry.orderId ?? entry.n)?.[0] };
	};
	return accepted
		.filter(({ type }) => type !== "page")
		.flatMap((entry) =>
			destinations.map((destination) => ({ entry, destination, outcome: outcomeOf(entry, destination) })),
		);
}
