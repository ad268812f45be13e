import { beforeEach, describe, expect, it } from "vitest";
import type { Leased } from "../../../server/delivery/leased.ts";
import { createOpenLeases, type OpenLeases } from "../../../server/delivery/open-leases.ts";
import type { Lease } from "../../../server/outbox/outbox.ts";

const leaseOf = (lane: number, attempts = 0): Lease => ({
	destination: { site: "site", name: "crisp" },
	lane,
	number: lane,
	person: `email:${lane}@example.com`,
	known: undefined,
	attempts,
	unreadable: 0,
	failingSince: undefined,
	requests: 0,
	bodies: ["{}"],
});

let now = 0;
let openLeases: OpenLeases;
/** Leases this many more lanes. */
function add(count: number, { reservedOnly = false, attempts = 0 } = {}): void {
	for (let added = 0; added < count; added += 1)
		openLeases.add(leaseOf(openLeases.all().length, attempts), reservedOnly);
}
/** Begins every request that may begin. */
function begin(isProbing = false): Leased[] {
	const begun: Leased[] = [];
	for (let next = openLeases.next(isProbing); next; next = openLeases.next(isProbing)) {
		openLeases.begin(next);
		begun.push(next);
	}
	return begun;
}

describe("the open leases of a store of its own", () => {
	beforeEach(() => {
		openLeases = createOpenLeases({ isShared: false, now: () => now });
	});

	it("has four requests under way, begun in the order of their leases, and four lanes leased ahead", () => {
		expect(openLeases.room(false)).toBe(8);
		add(8);
		expect(begin().map(({ lease }) => lease.lane)).toEqual([0, 1, 2, 3]);
		expect(openLeases.ahead()).toBe(4);
		expect(openLeases.room(false)).toBe(0);
	});

	it("leases more only once two of the four lanes ahead have begun", () => {
		add(8);
		const [first, second] = begin();
		if (first) first.stage = "settling";
		begin();
		expect(openLeases.room(false)).toBe(0);
		if (second) second.stage = "settling";
		begin();
		expect(openLeases.room(false)).toBe(2);
	});

	it("has at most eight requests whose settlement is not on disk", () => {
		add(8);
		for (const each of begin()) each.stage = "settling";
		const later = begin();
		expect(later).toHaveLength(4);
		for (const each of later) each.stage = "settling";
		add(1);
		expect(openLeases.next(false)).toBeUndefined();
		for (const each of later.slice(0, 1)) openLeases.remove(each);
		expect(openLeases.next(false)).toBeDefined();
	});

	it("sends nothing beside a probe", () => {
		expect(openLeases.room(true)).toBe(1);
		add(3);
		expect(begin(true)).toHaveLength(1);
		expect(openLeases.room(true)).toBe(0);
	});

	it("does not count lanes that are being given back", () => {
		add(8);
		for (const each of openLeases.all()) each.stage = "returning";
		expect([openLeases.room(false), openLeases.next(false), openLeases.ahead()]).toEqual([8, undefined, 0]);
		expect(openLeases.all()).toHaveLength(8);
	});
});

describe("the open leases of a shared store", () => {
	beforeEach(() => {
		openLeases = createOpenLeases({ isShared: true, now: () => now });
	});

	it("include none ahead while other processes may be short of lanes", () => {
		expect(openLeases.room(false)).toBe(4);
		add(4);
		for (const each of begin()) each.stage = "settling";
		expect(openLeases.room(false)).toBe(4);
		add(1);
		expect(openLeases.room(false)).toBe(0);
	});

	it("include sixteen ahead while more lanes are ready, of which eight are leased at a time", () => {
		expect(openLeases.room(false, true)).toBe(20);
		add(20);
		begin();
		expect(openLeases.room(false, true)).toBe(0);
		for (const each of openLeases.all().slice(0, 7)) {
			openLeases.remove(each);
			begin();
		}
		expect([openLeases.ahead(), openLeases.room(false, true)]).toEqual([9, 0]);
		const [next] = openLeases.all();
		if (next) openLeases.remove(next);
		begin();
		expect([openLeases.ahead(), openLeases.room(false, true)]).toEqual([8, 8]);
	});

	it("include none ahead beside a probe", () => {
		expect(openLeases.room(true, true)).toBe(1);
	});
});

describe("slow requests", () => {
	beforeEach(() => {
		now = 0;
		openLeases = createOpenLeases({ isShared: false, now: () => now });
	});

	/** Begins as many requests as may be under way, each group of four once the group before is slow. */
	function beginSlow(more = {}): number {
		let begun = 0;
		for (let some = 1; some > 0; begun += some) {
			add(openLeases.room(false), more);
			some = begin().length;
			now += 1_000;
		}
		return begun;
	}

	it("leave their slots to others", () => {
		add(8);
		begin();
		expect(openLeases.slowAt()).toBe(1_000);
		now = 249;
		expect(begin()).toHaveLength(0);
		now = 1_000;
		expect(begin().map(({ lease }) => lease.lane)).toEqual([4, 5, 6, 7]);
		expect(openLeases.slowAt()).toBe(2_000);
	});

	it("leave the last four of 32 to the backend's events", () => {
		expect(beginSlow()).toBe(28);
		expect([openLeases.isCrowded(), openLeases.ahead()]).toEqual([true, 0]);
		expect(beginSlow({ reservedOnly: true })).toBe(4);
		for (const each of openLeases.all().slice(0, 5)) openLeases.remove(each);
		expect(openLeases.isCrowded()).toBe(false);
	});

	it("of lanes that have failed before are at most half of all", () => {
		const mayTry = (attempts: number) => openLeases.mayTry(leaseOf(99, attempts));
		add(4, { attempts: 1 });
		while (mayTry(1)) {
			begin();
			now += 1_000;
			add(4, { attempts: 1 });
		}
		expect(openLeases.all().filter(({ stage }) => stage === "busy")).toHaveLength(16);
		expect(mayTry(0)).toBe(true);
	});
});
