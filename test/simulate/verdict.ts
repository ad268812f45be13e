import type { ProviderName, SandboxPerson } from "../../server/sandbox/index.ts";
import type { Accepted, Ledger } from "./ledger.ts";
import { type Arrivals, browsing, type Delivery, digestedOf, type Outcome } from "./outcome.ts";
import { type Budgets, destinations, type Seen } from "./providers.ts";
import type { Remaining } from "./remaining.ts";

/** Records of a day that the invariants are checked on. */
export interface Evidence {
	startAt: number;
	budgets: Budgets;
	ledger: Ledger;
	remaining: Remaining;
	deliveries: Delivery[];
	arrivals: Record<ProviderName, Arrivals>;
	people: Record<ProviderName, SandboxPerson[]>;
	seen: Record<ProviderName, Seen[]>;
}

/** Statement that must be true of every day, and its violations. */
export interface Invariant {
	statement: string;
	/** Number of cases that were checked. */
	checked: number;
	/** First few violations; empty if the statement holds. */
	broken: string[];
}

const day = 86_400_000;
const windows: Record<ProviderName, number> = { crisp: day, helpcrunch: 60_000, vibetrace: 1_000 };
/** Share of Crisp's daily budget that is reserved for the backend's events. */
export const reserve = 0.05;
/** Largest number of violations to report per invariant. */
const mostReported = 5;

const has = { email: ({ email }: SandboxPerson) => email !== undefined };
const keysOf = ({ email, userId }: SandboxPerson) => [`email:${email}`, `userId:${userId}`];

/** Checks that each captured event was accepted, or that the ledger has the reason why not. */
function capturedAccounted({ ledger }: Evidence): Invariant {
	const lost = ledger.entries.filter(({ accepted, fate }) => accepted === undefined && fate === undefined);
	return {
		statement: "every captured event was accepted by the proxy, or the reason why not is known",
		checked: ledger.entries.length,
		broken: lost.map(({ n, type, source }) => `event ${n} (${type}) of source ${source} is unaccounted for`),
	};
}

/** Tells whether an event may arrive as a part of a digest. */
const isDigestible = ({ entry: { name = "", trusted = false }, destination }: Delivery) =>
	destination === "crisp" && !trusted && browsing.includes(name);

/** Checks that the digests and single events of each person account once for every delivered event that may be merged. */
function digestsAccounted({ deliveries, people }: Evidence): Invariant {
	const owed = new Map<string, number>();
	const add = (person: string, name: string, count: number) => {
		const key = `${name} of ${person}`;
		owed.set(key, (owed.get(key) ?? 0) + count);
	};
	const own = deliveries.filter(isDigestible);
	for (const { entry, outcome } of own)
		if (outcome.kind === "delivered") add(entry.accepted.person, entry.name ?? "", 1);
	for (const person of people.crisp) {
		for (const [name, count] of digestedOf(person)) add(`email:${person.email}`, name, -count);
		for (const { name, data } of person.events)
			if (browsing.includes(name) && data?.count === undefined) add(`email:${person.email}`, name, -1);
	}
	return {
		statement: "each event that a rule marks for a digest arrived at Crisp in one digest, or alone",
		checked: own.length,
		broken: [...owed]
			.filter(([, count]) => count !== 0)
			.map(([key, count]) => `${key}: the counts at Crisp differ by ${count} from the deliveries`),
	};
}

/** Checks that each accepted event arrived at a provider once, or not at all if it waits, is dead or was discarded. */
function deliveredOnce({ deliveries, arrivals }: Evidence): Invariant {
	const broken: string[] = [];
	for (const delivery of deliveries.filter((each) => !isDigestible(each))) {
		const { entry, destination, outcome } = delivery;
		if (entry.type === "login" || entry.type === "update" || outcome.kind === "discarded") continue;
		const times = arrivals[destination].get(entry.orderId ?? entry.n)?.length ?? 0;
		const expected = outcome.kind === "delivered" ? 1 : 0;
		if (times !== expected)
			broken.push(`event ${entry.n} is ${outcome.kind} at ${destination}, but arrived there ${times} times`);
	}
	return {
		statement: "every accepted event arrived at each provider once, or the reason why not is known",
		checked: deliveries.length,
		broken,
	};
}

/** Checks that the store's counters agree with the ledger. */
function counted({ deliveries, remaining }: Evidence): Invariant {
	const broken: string[] = [];
	const expect = (name: string, found: number | undefined, expected: number) => {
		if ((found ?? 0) !== expected) broken.push(`${name}: the store counted ${found ?? 0}, the ledger ${expected}`);
	};
	/** Counts deliveries with an outcome. `withCopies` adds the events' later copies, which have the same outcome. */
	const count = (name: ProviderName, matches: (outcome: Outcome) => boolean, withCopies = false) =>
		deliveries
			.filter(({ destination, outcome }) => destination === name && matches(outcome))
			.reduce((sum, { entry }) => sum + 1 + (withCopies ? entry.copies : 0), 0);
	const discarded =
		(reason: string, isHere = false) =>
		(outcome: Outcome) =>
			outcome.kind === "discarded" && outcome.reason === reason && (outcome.isHere ?? false) === isHere;
	for (const stats of remaining.stats.destinations) {
		const name = stats.destination.name as ProviderName;
		expect(
			`delivered at ${name}`,
			stats.delivered,
			count(name, ({ kind }) => kind === "delivered"),
		);
		expect(
			`dead at ${name}`,
			stats.dead,
			count(name, ({ kind }) => kind === "dead"),
		);
		expect(
			`waiting for ${name}`,
			stats.owed,
			count(name, ({ kind }) => kind === "waiting"),
		);
		expect(
			`not addressable at ${name}`,
			stats.discarded.not_addressable,
			count(name, discarded("not_addressable"), true),
		);
		expect(
			`repeated orders at ${name}`,
			stats.discarded.duplicate_order,
			count(name, discarded("duplicate_order", true)),
		);
	}
	for (const reason of ["duplicate_order", "email_open_too_soon"]) {
		expect(reason, remaining.stats.discarded[reason], count("helpcrunch", discarded(reason), true));
	}
	expect("journal", remaining.stats.journal + remaining.stats.stuck, 0);
	return { statement: "the store's counters agree with the ledger", checked: remaining.stats.events, broken };
}

const isBefore = (a: Accepted, b: Accepted) => a.answered < b.sent || (a.sent === b.sent && a.place < b.place);

/** Checks that a person's events of one sender arrived at a provider in the order in which the proxy accepted them. */
function inOrder({ people, deliveries }: Evidence): Invariant {
	const found = new Map(deliveries.map(({ entry }) => [entry.n, entry] as const));
	const broken: string[] = [];
	let checked = 0;
	for (const name of destinations) {
		for (const { events, id } of people[name]) {
			const order = events.map(({ data }) => found.get(Number(data?.n)));
			checked += order.length;
			for (const [place, later] of order.entries()) {
				const earlier = order
					.slice(0, place)
					.findIndex((one) => one && later && one.trusted === later.trusted && isBefore(later.accepted, one.accepted));
				if (earlier >= 0) broken.push(`${name}: events ${earlier} and ${place} of ${id} arrived in the wrong order`);
			}
		}
	}
	return {
		statement:
			"each sender's events of a person arrived at each provider in the order in which the proxy accepted them",
		checked,
		broken,
	};
}

/** Checks that a provider has the latest value of each attribute of people for whom nothing waits. */
function latestAttributes({ deliveries, people, remaining }: Evidence): Invariant {
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
			if (outcome.kind === "waiting" || remaining.dead[name].has(id)) waiting.add(person);
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
				const actual = found.get(person)?.[attribute];
				if (actual !== values.get(attribute))
					broken.push(`${name}: ${attribute} of ${person} is ${actual}, not ${values.get(attribute)}`);
			}
		}
	}
	return { statement: "where nothing waits, providers have the latest value of each attribute", checked, broken };
}

/** Checks that no provider got more requests in a window than its budget allows. */
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
					`${name}: ${count} requests, with a budget of ${budgets[name]}, in the window at ${new Date(window * windows[name]).toISOString()}`,
				);
		}
	}
	return { statement: "no destination got more requests than its budget, in any window", checked, broken };
}

/** Checks that the reserved part of Crisp's daily budget was spent on the backend's events alone. */
function reserveKept({ seen, budgets, ledger, startAt }: Evidence): Invariant {
	const trusted = new Set(ledger.entries.filter((entry) => entry.trusted).map(({ n }) => n));
	const backendEmails = new Set(
		ledger.entries.flatMap(({ trusted, accepted }) =>
			trusted && accepted ? [accepted.person.replace("email:", "")] : [],
		),
	);
	const free = budgets.crisp - Math.floor(budgets.crisp * reserve);
	const today = seen.crisp.filter(({ at }) => at < startAt + day);
	const isUntrusted = ({ n, purpose, email = "" }: Seen) =>
		n !== undefined ? !trusted.has(n) : ["update", "digest"].includes(purpose) || !backendEmails.has(email);
	const isProbe = ({ purpose }: Seen) => purpose === "get";
	/** Tells whether the reserve must not pay for a request. It pays for a probe of a limit that the backend's event has met. */
	function isWrong(request: Seen): boolean {
		if (!isProbe(request)) return isUntrusted(request);
		const refused = today.slice(0, today.indexOf(request)).findLast((each) => each.status === 429 && !isProbe(each));
		return refused === undefined || isUntrusted(refused);
	}
	const broken = today
		.slice(free)
		.filter(isWrong)
		.map(
			({ at, purpose, n }) =>
				`a request (${purpose} ${n ?? ""}) at ${new Date(at).toISOString()} was paid from the reserve`,
		);
	return {
		statement: `the last ${reserve * 100} % of Crisp's daily budget were spent on the backend's events alone`,
		checked: today.slice(free).length,
		broken,
	};
}

/** Checks that no event of a bot, or of a visitor who is not logged in, was accepted or delivered. */
function onlyIdentified({ ledger, people }: Evidence): Invariant {
	const unknown = ledger.entries.filter(({ accepted }) => accepted?.person === "userId:undefined");
	const nameless = destinations.flatMap((name) =>
		people[name].filter((person) => !has.email(person) && person.userId === undefined),
	);
	return {
		statement: "no event of a bot, or of a visitor who is not logged in, was accepted or delivered",
		checked: ledger.entries.length,
		broken: [
			...(ledger.counts.unknown > 0 ? [`${ledger.counts.unknown} accepted events are not in the ledger`] : []),
			...unknown.map(({ n }) => `event ${n} has no person`),
			...nameless.map(({ id }) => `a profile without e-mail and userId: ${id}`),
		],
	};
}

/** Checks all invariants of a day. */
export const verdict = (evidence: Evidence): Invariant[] =>
	[
		capturedAccounted,
		deliveredOnce,
		digestsAccounted,
		counted,
		inOrder,
		latestAttributes,
		withinBudgets,
		reserveKept,
		onlyIdentified,
	].map((check) => {
		const invariant = check(evidence);
		const { broken } = invariant;
		const more = broken.length > mostReported ? [`and ${broken.length - mostReported} more`] : [];
		return { ...invariant, broken: [...broken.slice(0, mostReported), ...more] };
	});
