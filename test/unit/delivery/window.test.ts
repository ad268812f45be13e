import { beforeEach, describe, expect, it } from "vitest";
import { createWindow, type Leased, type LeaseWindow } from "../../../server/delivery/window.ts";
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

let window: LeaseWindow;
/** Leases this many more lanes. */
function add(count: number): void {
	for (let added = 0; added < count; added += 1) window.add(leaseOf(window.all().length), false);
}
/** Begins every request that may begin. */
function begin(isProbing = false): Leased[] {
	const begun: Leased[] = [];
	for (let next = window.next(isProbing); next; next = window.next(isProbing)) {
		next.stage = "busy";
		begun.push(next);
	}
	return begun;
}

describe("the window of a store of its own", () => {
	beforeEach(() => {
		window = createWindow({ isShared: false });
	});

	it("has four requests under way, begun in the order of their leases, and four lanes leased ahead", () => {
		expect(window.room(false)).toBe(8);
		add(8);
		expect(begin().map(({ lease }) => lease.lane)).toEqual([0, 1, 2, 3]);
		expect(window.ahead()).toBe(4);
		expect(window.room(false)).toBe(0);
	});

	it("leases more only once two of the four lanes ahead have begun", () => {
		add(8);
		const [first, second] = begin();
		if (first) first.stage = "settling";
		begin();
		expect(window.room(false)).toBe(0);
		if (second) second.stage = "settling";
		begin();
		expect(window.room(false)).toBe(2);
	});

	it("has at most eight requests whose settlement is not on disk", () => {
		add(8);
		for (const each of begin()) each.stage = "settling";
		const later = begin();
		expect(later).toHaveLength(4);
		for (const each of later) each.stage = "settling";
		add(1);
		expect(window.next(false)).toBeUndefined();
		for (const each of later.slice(0, 1)) window.remove(each);
		expect(window.next(false)).toBeDefined();
	});

	it("sends nothing beside a probe", () => {
		expect(window.room(true)).toBe(1);
		add(3);
		expect(begin(true)).toHaveLength(1);
		expect(window.room(true)).toBe(0);
	});

	it("does not count lanes that are being given back", () => {
		add(8);
		for (const each of window.all()) each.stage = "returning";
		expect([window.room(false), window.next(false), window.ahead()]).toEqual([8, undefined, 0]);
		expect(window.all()).toHaveLength(8);
	});
});

it("the window of a shared store leases no lane ahead, and at most as many as may be unsettled", () => {
	window = createWindow({ isShared: true });
	expect(window.room(false)).toBe(4);
	add(4);
	for (const each of begin()) each.stage = "settling";
	expect(window.room(false)).toBe(4);
	add(2);
	for (const each of begin()) each.stage = "settling";
	expect(window.room(false)).toBe(2);
});
