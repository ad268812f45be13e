import { beforeEach, describe, expect, it } from "vitest";
import { createOpenLeases, type Leased, type OpenLeases } from "../../../server/delivery/open-leases.ts";
import type { Lease } from "../../../server/outbox/outbox.ts";

const leaseOf = (lane: number): Lease => ({
	destination: { site: "site", name: "crisp" },
	lane,
	number: lane,
	person: `email:${lane}@example.com`,
	known: undefined,
	attempts: 0,
	unreadable: 0,
	failingSince: undefined,
	requests: 0,
	bodies: ["{}"],
});

let openLeases: OpenLeases;
/** Leases this many more lanes. */
function add(count: number): void {
	for (let added = 0; added < count; added += 1) openLeases.add(leaseOf(openLeases.all().length), false);
}
/** Begins every request that may begin. */
function begin(isProbing = false): Leased[] {
	const begun: Leased[] = [];
	for (let next = openLeases.next(isProbing); next; next = openLeases.next(isProbing)) {
		next.stage = "busy";
		begun.push(next);
	}
	return begun;
}

describe("the open leases of a store of its own", () => {
	beforeEach(() => {
		openLeases = createOpenLeases({ isShared: false });
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

it("the open leases of a shared store include none ahead, and at most as many as may be unsettled", () => {
	openLeases = createOpenLeases({ isShared: true });
	expect(openLeases.room(false)).toBe(4);
	add(4);
	for (const each of begin()) each.stage = "settling";
	expect(openLeases.room(false)).toBe(4);
	add(2);
	for (const each of begin()) each.stage = "settling";
	expect(openLeases.room(false)).toBe(2);
});
