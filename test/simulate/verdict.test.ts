import { describe, expect, it } from "vitest";
import type { SandboxPerson } from "../../server/sandbox/index.ts";
import { createLedger } from "./ledger.ts";
import { arrivalsOf, deliveriesOf } from "./outcome.ts";
import type { Seen } from "./providers.ts";
import type { Remaining } from "./remaining.ts";
import { verdict } from "./verdict.ts";

const at = Date.UTC(2026, 1, 3);
const person = "email:ada@example.com";

const requestFor = (n: number, status = 200): Seen => ({ at, purpose: "event", email: "ada@example.com", n, status });
const probe: Seen = { at, purpose: "get", email: undefined, n: undefined, status: 200 };

const quiet = { requests: 2, more: [] as Seen[], owed: [] as string[], isKept: true, backends: 0 };

/**
 * Checks a day with two tracked events of Ada's, accepted one after the other; `arrived` has the providers' events, and
 * `backends` is the number of the backend's. Crisp gets as many requests for the first event, and then `more`.
 */
function dayOf(arrived: number[], options: Partial<typeof quiet> = {}) {
	const { requests, more, owed, isKept, backends } = { ...quiet, ...options };
	const ledger = createLedger();
	for (const n of [1, 2]) {
		const entry = ledger.capture(0, { type: "track", at, data: { n } }, { at, trusted: n === backends });
		const order = { sent: n * 2, answered: n * 2 + 1, place: 0 };
		if (isKept || n === 1) entry.accepted = { id: `id ${n}`, person, at, ...order };
	}
	const ada: SandboxPerson = {
		id: "ada",
		email: "ada@example.com",
		profile: {},
		attributes: {},
		events: arrived.map((n) => ({ name: "viewed", data: { n }, at })),
	};
	const people = { crisp: [ada], helpcrunch: [ada], vibetrace: [ada] };
	const owedIds = () => ({ crisp: new Set(owed), helpcrunch: new Set(owed), vibetrace: new Set(owed) });
	const remaining: Remaining = {
		stats: { journal: 0, journalAge: 0, stuck: 0, events: 2, discarded: {}, forgotten: 0, bytes: 0, destinations: [] },
		owed: owedIds(),
		dead: { crisp: new Map(), helpcrunch: new Map(), vibetrace: new Map() },
	};
	const arrivals = { crisp: arrivalsOf([ada]), helpcrunch: arrivalsOf([ada]), vibetrace: arrivalsOf([ada]) };
	const crisp = [...Array.from({ length: requests }, () => requestFor(1)), ...more];
	const seen = { crisp, helpcrunch: [], vibetrace: [] };
	const budgets = { crisp: 20, helpcrunch: 120, vibetrace: 10 };
	const deliveries = deliveriesOf(ledger.entries, remaining, arrivals);
	return verdict({ startAt: at, budgets, ledger, remaining, deliveries, arrivals, people, seen });
}

const broken = (...day: Parameters<typeof dayOf>) =>
	dayOf(...day)
		.filter((invariant) => invariant.broken.length > 0)
		.map(({ statement }) => statement.split(",")[0]);

it("the ledger distinguishes events that two tabs of a visitor captured in the same millisecond", () => {
	const ledger = createLedger();
	const pages = ["a", "b"].map((path) => ({
		type: "page" as const,
		at,
		context: { url: `https://shop.example/${path}` },
	}));
	const entries = pages.map((page) => ledger.capture(0, page, { at }));
	expect(pages.map((page) => ledger.find(0, page))).toEqual(entries);
	expect(ledger.close(0)).toEqual(entries);
});

describe("a purchase that a browser told first, then the backend,", () => {
	/** Checks a day on which the copies with these numbers, 1 the browser's and 2 the backend's, arrived at Crisp. */
	function brokenBy(atCrisp: number[], discardedAtCrisp: number, discardedAtOthers = discardedAtCrisp) {
		const ledger = createLedger();
		for (const n of [1, 2]) {
			const entry = ledger.capture(
				0,
				{ type: "confirmation", at, data: { n } },
				{ at, orderId: "A-1", trusted: n === 2 },
			);
			entry.accepted = { id: `id ${n}`, person, at, sent: n * 2, answered: n * 2 + 1, place: 0 };
		}
		const arrived = (numbers: number[]): SandboxPerson[] => {
			const events = numbers.map((n) => ({ name: "confirmation", data: { orderId: "A-1", n }, at }));
			return [{ id: "ada", email: "ada@example.com", profile: {}, attributes: {}, events }];
		};
		const people = { crisp: arrived(atCrisp), helpcrunch: arrived([1]), vibetrace: arrived([1]) };
		const names = ["crisp", "helpcrunch", "vibetrace"] as const;
		const statsAt = (name: string) => {
			const duplicate_order = name === "crisp" ? discardedAtCrisp : discardedAtOthers;
			const counts = { owed: 0, lanes: 0, oldestAt: undefined, delivered: 1, dead: 0, leftOut: 0 };
			return { destination: { site: "s", name }, ...counts, discarded: { duplicate_order } };
		};
		const discarded = { duplicate_order: discardedAtCrisp === 0 ? 1 : 0 };
		const none = { journal: 0, journalAge: 0, stuck: 0, events: 2, forgotten: 0, bytes: 0 };
		const remaining: Remaining = {
			stats: { ...none, discarded, destinations: names.map(statsAt) },
			owed: { crisp: new Set(), helpcrunch: new Set(), vibetrace: new Set() },
			dead: { crisp: new Map(), helpcrunch: new Map(), vibetrace: new Map() },
		};
		const arrivals = {
			...{ crisp: arrivalsOf(people.crisp), helpcrunch: arrivalsOf(people.helpcrunch) },
			vibetrace: arrivalsOf(people.vibetrace),
		};
		const deliveries = deliveriesOf(ledger.entries, remaining, arrivals);
		const seen = { crisp: [], helpcrunch: [], vibetrace: [] };
		const budgets = { crisp: 20, helpcrunch: 120, vibetrace: 10 };
		const evidence = { startAt: at, budgets, ledger, remaining, deliveries, arrivals, people, seen };
		return verdict(evidence).flatMap((each) => each.broken);
	}

	it("counts once at each provider, as the browser's or as the backend's", () => {
		expect(brokenBy([1], 0)).toEqual([]);
		expect(brokenBy([2], 1)).toEqual([]);
	});

	it("is found out if both copies arrive, none does, or the store counts it otherwise", () => {
		expect(brokenBy([1, 2], 1)).toEqual([expect.stringMatching(/arrived there 2 times/)]);
		expect(brokenBy([], 0)).toEqual([expect.stringMatching(/arrived there 0 times/)]);
		expect(brokenBy([2], 1, 0)).toHaveLength(2);
		expect(brokenBy([2], 0)).not.toEqual([]);
		expect(brokenBy([1], 1)).not.toEqual([]);
	});
});

describe("the verdict on a simulated day", () => {
	it("is good if each event arrived once and in order", () => {
		expect(broken([1, 2])).toEqual([]);
	});

	it.each([
		[
			"a captured event that is unaccounted for",
			[1],
			{ isKept: false },
			"every captured event was accepted by the proxy",
		],
		["an event that never arrived", [1], {}, "every accepted event arrived at each provider once"],
		["an event that arrived twice", [1, 2, 2], {}, "every accepted event arrived at each provider once"],
		[
			"an event that arrived and still waits",
			[1, 2],
			{ owed: ["id 2"] },
			"every accepted event arrived at each provider once",
		],
		[
			"events in the wrong order",
			[2, 1],
			{},
			"each sender's events of a person arrived at each provider in the order in which the proxy accepted them",
		],
		["an overdrawn budget", [1, 2], { requests: 21 }, "no destination got more requests than its budget"],
		[
			"a reserve spent on a visitor",
			[1, 2],
			{ requests: 20 },
			"the last 5 % of Crisp's daily budget were spent on the backend's events alone",
		],
		[
			"a reserve spent on the probe of a limit that a visitor's event met",
			[1, 2],
			{ requests: 18, more: [requestFor(1, 429), probe] },
			"the last 5 % of Crisp's daily budget were spent on the backend's events alone",
		],
		[
			"a reserve spent on a probe that nothing asked for",
			[1, 2],
			{ requests: 19, more: [probe] },
			"the last 5 % of Crisp's daily budget were spent on the backend's events alone",
		],
	])("reports %s", (_, arrived, options, expected) => {
		expect(broken(arrived, options)).toContain(expected);
	});

	it("lets the reserve pay for the probe of a limit that the backend's event met", () => {
		expect(broken([1, 2], { requests: 18, more: [requestFor(2, 429), probe], backends: 2 })).toEqual([]);
	});
});
