import { describe, expect, it } from "vitest";
import type { SandboxPerson } from "../../server/sandbox/index.ts";
import { createLedger } from "./ledger.ts";
import type { Left } from "./left.ts";
import { arrivalsOf, deliveriesOf } from "./outcome.ts";
import type { Seen } from "./providers.ts";
import { verdict } from "./verdict.ts";

const at = Date.UTC(2026, 1, 3);
const person = "email:ada@example.com";

/** Two tracked events of Ada's, accepted one after the other; what the providers have of them is the test's say. */
function dayOf(arrived: number[], { requests = 2, owed = [] as string[], isKept = true } = {}) {
	const ledger = createLedger();
	for (const n of [1, 2]) {
		const entry = ledger.capture(0, { type: "track", at, data: { n } }, { at });
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
	const none = () => ({ crisp: new Set(owed), helpcrunch: new Set(owed), vibetrace: new Set(owed) });
	const left: Left = {
		stats: { journal: 0, stuck: 0, events: 2, discarded: {}, bytes: 0, destinations: [] },
		owed: none(),
		dead: { crisp: new Map(), helpcrunch: new Map(), vibetrace: new Map() },
	};
	const arrivals = { crisp: arrivalsOf([ada]), helpcrunch: arrivalsOf([ada]), vibetrace: arrivalsOf([ada]) };
	const request: Seen = { at, purpose: "event", email: "ada@example.com", n: 1, status: 200 };
	const seen = { crisp: Array.from({ length: requests }, () => request), helpcrunch: [], vibetrace: [] };
	const budgets = { crisp: 10, helpcrunch: 120, vibetrace: 10 };
	const deliveries = deliveriesOf(ledger.entries, left, arrivals);
	return verdict({ startAt: at, budgets, ledger, left, deliveries, arrivals, people, seen });
}

const broken = (...day: Parameters<typeof dayOf>) =>
	dayOf(...day)
		.filter((invariant) => invariant.broken.length > 0)
		.map(({ what }) => what.split(",")[0]);

it("the book tells apart what two tabs of a visitor captured in the same millisecond", () => {
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

describe("the verdict on a simulated day", () => {
	it("finds nothing wrong with a day on which each event came once and in order", () => {
		expect(broken([1, 2])).toEqual([]);
	});

	it.each([
		[
			"an event that was captured and is nowhere",
			[1],
			{ isKept: false },
			"every captured event was accepted by the proxy",
		],
		["an event that never came", [1], {}, "every accepted event is at each provider once"],
		["an event that came twice", [1, 2, 2], {}, "every accepted event is at each provider once"],
		["an event that came and still waits", [1, 2], { owed: ["id 2"] }, "every accepted event is at each provider once"],
		[
			"events in the wrong order",
			[2, 1],
			{},
			"each person's events came to each provider in the order the proxy accepted them",
		],
		["a budget that was overdrawn", [1, 2], { requests: 11 }, "no destination got more requests than its budget"],
		[
			"a reserve that was spent on a visitor",
			[1, 2],
			{ requests: 9 },
			"the last 20 % of Crisp's day were spent on what the backend sent",
		],
	])("sees %s", (_, arrived, options, expected) => {
		expect(broken(arrived, options)).toContain(expected);
	});
});
