import type { Destination, SandboxPerson } from "../../server/sandbox/index.ts";
import type { Ledger } from "./ledger.ts";
import type { Left } from "./left.ts";
import type { Arrivals, Delivery, Outcome } from "./outcome.ts";
import { type Budgets, destinations, type Seen } from "./providers.ts";

export interface Evidence {
	startAt: number;
	budgets: Budgets;
	ledger: Ledger;
	left: Left;
	deliveries: Delivery[];
	arrivals: Record<Destination, Arrivals>;
	people: Record<Destination, SandboxPerson[]>;
	seen: Record<Destination, Seen[]>;
}

/** Something that must be true of every day, and where it was not. */
export interface Invariant {
	what: string;
	/** What it was checked on. */
	checked: number;
	/** The first few violations; empty means that it holds. */
	broken: string[];
}

const day = 86_400_000;
const windows: Record<Destination, number> = { crisp: day, helpcrunch: 60_000, vibetrace: 1_000 };
/** Of Crisp's daily budget, for what the backend sent. */
export const reserve = 0.2;
const mostTold = 5;

const has = { email: ({ email }: SandboxPerson) => email !== undefined };
const keysOf = ({ email, userId }: SandboxPerson) => [`email:${email}`, `userId:${userId}`];

/** Every event that a page or the backend captured is accepted, or the book says why not. */
function capturedAccounted({ ledger }: Evidence): Invariant {
	const lost = ledger.entries.filter(({ accepted, fate }) => accepted === undefined && fate === undefined);
	return {
		what: "every captured event was accepted by the proxy, or it is known why not",
		checked: ledger.entries.length,
		broken: lost.map(({ n, type, source }) => `event ${n} (${type}) of ${source} is nowhere`),
	};
}

/** An accepted event is at a provider once, or it waits, died or was discarded, and then it is not there. */
function deliveredOnce({ deliveries, arrivals }: Evidence): Invariant {
	const broken: string[] = [];
	for (const { entry, destination, outcome } of deliveries) {
		if (entry.type === "login" || entry.type === "update" || outcome.kind === "discarded") continue;
		const times = arrivals[destination].get(entry.orderId ?? entry.n)?.length ?? 0;
		const expected = outcome.kind === "delivered" ? 1 : 0;
		if (times !== expected)
			broken.push(`event ${entry.n} is ${outcome.kind} at ${destination}, which has it ${times} times`);
	}
	return {
		what: "every accepted event is at each provider once, or is accounted for by a reason",
		checked: deliveries.length,
		broken,
	};
}

/** What the store has counted is what the book says. */
function counted({ deliveries, left }: Evidence): Invariant {
	const broken: string[] = [];
	const expect = (what: string, found: number | undefined, expected: number) => {
		if ((found ?? 0) !== expected) broken.push(`${what}: the store says ${found ?? 0}, the book ${expected}`);
	};
	/** With the copies of it that came later: not addressable is told before copies are, the rest after. */
	const of = (name: Destination, isSo: (outcome: Outcome) => boolean, withCopies = false) =>
		deliveries
			.filter(({ destination, outcome }) => destination === name && isSo(outcome))
			.reduce((sum, { entry }) => sum + 1 + (withCopies ? entry.copies : 0), 0);
	const discarded = (reason: string) => (outcome: Outcome) => outcome.kind === "discarded" && outcome.reason === reason;
	for (const stats of left.stats.destinations) {
		const name = stats.destination.name as Destination;
		expect(
			`delivered at ${name}`,
			stats.delivered,
			of(name, ({ kind }) => kind === "delivered"),
		);
		expect(
			`dead at ${name}`,
			stats.dead,
			of(name, ({ kind }) => kind === "dead"),
		);
		expect(
			`waiting for ${name}`,
			stats.owed,
			of(name, ({ kind }) => kind === "waiting"),
		);
		expect(`not addressable at ${name}`, stats.discarded.not_addressable, of(name, discarded("not_addressable"), true));
	}
	for (const reason of ["duplicate_order", "email_open_too_soon"]) {
		expect(reason, left.stats.discarded[reason], of("helpcrunch", discarded(reason), true));
	}
	expect("journal", left.stats.journal + left.stats.stuck, 0);
	return { what: "what the store has counted is what the book says", checked: left.stats.events, broken };
}

/** A person's events come to a provider in the order in which the proxy accepted them. */
function inOrder({ people, deliveries }: Evidence): Invariant {
	const accepted = new Map(deliveries.map(({ entry }) => [entry.orderId ?? entry.n, entry.accepted] as const));
	for (const { entry, outcome } of deliveries) {
		if (outcome.kind === "delivered") accepted.set(entry.orderId ?? entry.n, entry.accepted);
	}
	const broken: string[] = [];
	let checked = 0;
	for (const name of destinations) {
		for (const { events, id } of people[name]) {
			const order = events.map(({ name: what, data }) =>
				accepted.get(what === "confirmation" ? String(data?.orderId) : Number(data?.n)),
			);
			checked += order.length;
			for (const [place, later] of order.entries()) {
				const earlier = order
					.slice(0, place)
					.findIndex(
						(one) =>
							one && later && (later.answered < one.sent || (later.sent === one.sent && later.place < one.place)),
					);
				if (earlier >= 0) broken.push(`${name}: events ${earlier} and ${place} of ${id} came in the wrong order`);
			}
		}
	}
	return { what: "each person's events came to each provider in the order the proxy accepted them", checked, broken };
}

/** Where nothing waits for a person, the provider has the last value of each attribute. */
function latestAttributes({ deliveries, people, left }: Evidence): Invariant {
	const broken: string[] = [];
	let checked = 0;
	for (const name of destinations) {
		const found = new Map(
			people[name].flatMap((person) => keysOf(person).map((key) => [key, person.attributes] as const)),
		);
		const latest = new Map<string, Map<string, unknown>>();
		const waiting = new Set<string>();
		for (const { entry, destination, outcome } of deliveries) {
			if (destination !== name) continue;
			const { person, id } = entry.accepted;
			if (outcome.kind === "waiting" || left.dead[name].has(id)) waiting.add(person);
			if (!entry.sets || outcome.kind !== "delivered") continue;
			const values = latest.get(person) ?? new Map<string, unknown>();
			for (const [attribute, value] of Object.entries(entry.sets)) values.set(attribute, value);
			latest.set(person, values);
		}
		for (const [person, values] of latest) {
			if (waiting.has(person)) continue;
			for (const attribute of ["visits", "basket"]) {
				if (!values.has(attribute)) continue;
				checked += 1;
				const there = found.get(person)?.[attribute];
				if (there !== values.get(attribute))
					broken.push(`${name}: ${attribute} of ${person} is ${there}, not ${values.get(attribute)}`);
			}
		}
	}
	return { what: "where nothing waits, providers have the latest value of each attribute", checked, broken };
}

/** No provider gets more requests in its window than the budget says. */
function withinBudgets({ seen, budgets }: Evidence): Invariant {
	const broken: string[] = [];
	let checked = 0;
	for (const name of destinations) {
		const used = new Map<number, number>();
		for (const { at } of seen[name])
			used.set(Math.floor(at / windows[name]), (used.get(Math.floor(at / windows[name])) ?? 0) + 1);
		checked += used.size;
		for (const [window, count] of used) {
			if (count > budgets[name])
				broken.push(
					`${name}: ${count} requests of ${budgets[name]} in the window at ${new Date(window * windows[name]).toISOString()}`,
				);
		}
	}
	return { what: "no destination got more requests than its budget, in any window", checked, broken };
}

/** Past its unreserved part Crisp's day is the backend's alone. */
function reserveKept({ seen, budgets, ledger, startAt }: Evidence): Invariant {
	const trusted = new Set(ledger.entries.filter((entry) => entry.trusted).map(({ n }) => n));
	const ofBackend = new Set(
		ledger.entries.flatMap(({ trusted, accepted }) =>
			trusted && accepted ? [accepted.person.replace("email:", "")] : [],
		),
	);
	const free = budgets.crisp - Math.floor(budgets.crisp * reserve);
	const today = seen.crisp.filter(({ at }) => at < startAt + day);
	const isUntrusted = ({ n, purpose, email = "" }: Seen) =>
		n !== undefined ? !trusted.has(n) : purpose === "update" || !ofBackend.has(email);
	const broken = today
		.slice(free)
		.filter(isUntrusted)
		.map(
			({ at, purpose, n }) =>
				`a request (${purpose} ${n ?? ""}) at ${new Date(at).toISOString()} was paid from the reserve`,
		);
	return {
		what: `the last ${reserve * 100} % of Crisp's day were spent on what the backend sent, and on nothing else`,
		checked: today.slice(free).length,
		broken,
	};
}

/** Nothing of bots, nothing of people who did not say who they are. */
function nobodysEvents({ ledger, people }: Evidence): Invariant {
	const unknown = ledger.entries.filter(({ accepted }) => accepted?.person === "userId:undefined");
	const nameless = destinations.flatMap((name) =>
		people[name].filter((person) => !has.email(person) && person.userId === undefined),
	);
	return {
		what: "nothing of bots, and nothing of visitors who are not logged in, was accepted or delivered",
		checked: ledger.entries.length,
		broken: [
			...(ledger.counts.strangers > 0 ? [`${ledger.counts.strangers} accepted events are in no book`] : []),
			...unknown.map(({ n }) => `event ${n} has no person`),
			...nameless.map(({ id }) => `a profile without e-mail and userId: ${id}`),
		],
	};
}

/** All that must be true of a day. */
export const verdict = (evidence: Evidence): Invariant[] =>
	[capturedAccounted, deliveredOnce, counted, inOrder, latestAttributes, withinBudgets, reserveKept, nobodysEvents].map(
		(check) => {
			const invariant = check(evidence);
			const { broken } = invariant;
			const more = broken.length > mostTold ? [`and ${broken.length - mostTold} more`] : [];
			return { ...invariant, broken: [...broken.slice(0, mostTold), ...more] };
		},
	);
