import type { ProviderName, SandboxPerson } from "../../server/sandbox/index.ts";
import type { Accepted, Entry } from "./ledger.ts";
import { destinations } from "./providers.ts";
import type { Remaining } from "./remaining.ts";

/** Names of the events that Crisp gets as digests. */
export const browsing: readonly string[] = ["product:viewed", "search", "basket:item:added"];

/** Types and names of the events that the shop spends Crisp's requests on. */
export const crispEvents: string[] = ["confirmation", "login", "update", ...browsing];

const isWanted = ({ type, name = type }: Entry, destination: ProviderName): boolean =>
	destination === "crisp" ? crispEvents.includes(name) : type !== "page";

/** Outcome of an accepted event at one destination. */
export type Outcome =
	/** Delivered at `at`; undefined if the provider keeps no time for it. */
	| { kind: "delivered"; at: number | undefined }
	| { kind: "waiting" }
	| { kind: "dead"; reason: string }
	/** `isHere` is true if the store counts it at the destination, and not for the whole site. */
	| { kind: "discarded"; reason: string; isHere?: boolean };

export interface Delivery {
	entry: Entry & { accepted: Accepted };
	destination: ProviderName;
	outcome: Outcome;
}

/** Times at which events arrived at a provider, by event number, and by order id for confirmations. */
export type Arrivals = Map<number | string, number[]>;

const minute = 60_000;

/** Recognises a digest at a provider; no other event of the simulation has a count. */
const isDigest = ({ data }: SandboxPerson["events"][number]): boolean => data?.count !== undefined;

/** Counts the events of each name that a person's digests at a provider stand for. */
export function digestedOf({ events }: SandboxPerson): Map<string, number> {
	const counts = new Map<string, number>();
	for (const digest of events.filter(isDigest)) {
		const own = [{ name: digest.name.replace(/ ×\d+$/, ""), count: digest.data?.count }];
		const parts = (digest.data?.actions ?? own) as { name: string; count: number }[];
		for (const { name, count } of parts) counts.set(name, (counts.get(name) ?? 0) + count);
	}
	return counts;
}

/** Collects the arrivals at a provider from its people, except those of digests. */
export function arrivalsOf(people: SandboxPerson[]): Arrivals {
	const arrivals: Arrivals = new Map();
	for (const { events } of people) {
		for (const { name, data, at } of events.filter((event) => !isDigest(event))) {
			const keys = name === "confirmation" ? [String(data?.orderId), Number(data?.n)] : [Number(data?.n)];
			for (const key of keys) arrivals.set(key, [...(arrivals.get(key) ?? []), at]);
		}
	}
	return arrivals;
}

type AcceptedEntry = Entry & { accepted: Accepted };
const isAccepted = (entry: Entry): entry is AcceptedEntry => entry.accepted !== undefined;
const byAcceptance = (a: AcceptedEntry, b: AcceptedEntry) =>
	a.accepted.answered - b.accepted.answered || a.accepted.place - b.accepted.place;

/** Lists the copies of each purchase, in the order of their acceptance, by each of its copies. */
function copiesOf(accepted: AcceptedEntry[]): Map<Entry, AcceptedEntry[]> {
	const purchases = accepted.filter(({ type }) => type === "confirmation");
	const copies = Map.groupBy(purchases, ({ accepted: { person }, orderId }) => `${person} ${orderId}`);
	return new Map([...copies.values()].flatMap((own) => own.map((entry) => [entry, own] as const)));
}

/** Predicts which e-mails were opened again within 20 minutes. */
function openedAgain(accepted: AcceptedEntry[]): Map<Entry, string> {
	const discarded = new Map<Entry, string>();
	const opens = new Map<string, number>();
	for (const entry of accepted) {
		const { type, at } = entry;
		const { person } = entry.accepted;
		if (type === "email_open") {
			const last = opens.get(person);
			if (last !== undefined && at >= last && at < last + 20 * minute) discarded.set(entry, "email_open_too_soon");
			else opens.set(person, at);
		}
	}
	return discarded;
}

/** Lists the outcome of each accepted event at each destination that asks for it. */
export function deliveriesOf(
	entries: Entry[],
	remaining: Remaining,
	arrivals: Record<ProviderName, Arrivals>,
): Delivery[] {
	const accepted = entries.filter(isAccepted).sort(byAcceptance);
	const discarded = openedAgain(accepted);
	const copies = copiesOf(accepted);
	/** Tells whether the backend's copy of a purchase was taken at a destination after a browser's. */
	const isTaken = ({ n, accepted: { id } }: AcceptedEntry, name: ProviderName) =>
		remaining.owed[name].has(id) || remaining.dead[name].has(id) || arrivals[name].has(n);
	/** Tells whether another copy of a purchase counts at a destination: the first one, or the backend's in its place. */
	function duplicateAt(entry: AcceptedEntry, name: ProviderName): Outcome | undefined {
		const [first, ...later] = copies.get(entry) ?? [];
		const backends = first?.trusted ? undefined : later.find(({ trusted }) => trusted);
		const replacedAt = backends ? destinations.filter((each) => isTaken(backends, each)) : [];
		if (entry === (replacedAt.includes(name) ? backends : first)) return undefined;
		const isHere = replacedAt.length > 0 && (entry === first || entry === backends);
		return { kind: "discarded", reason: "duplicate_order", isHere };
	}
	const outcomeOf = (entry: AcceptedEntry, name: ProviderName): Outcome => {
		const { id, person } = entry.accepted;
		const restriction = discarded.get(entry);
		if (restriction !== undefined) return { kind: "discarded", reason: restriction };
		const duplicate = entry.type === "confirmation" ? duplicateAt(entry, name) : undefined;
		if (duplicate) return duplicate;
		if (name !== "helpcrunch" && person.startsWith("userId:")) return { kind: "discarded", reason: "not_addressable" };
		if (remaining.owed[name].has(id)) return { kind: "waiting" };
		const reason = remaining.dead[name].get(id);
		if (reason !== undefined) return { kind: "dead", reason };
		return { kind: "delivered", at: arrivals[name].get(entry.orderId ?? entry.n)?.[0] };
	};
	return accepted.flatMap((entry) =>
		destinations
			.filter((destination) => isWanted(entry, destination))
			.map((destination) => ({ entry, destination, outcome: outcomeOf(entry, destination) })),
	);
}
