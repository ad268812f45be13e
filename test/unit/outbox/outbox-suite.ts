import { randomBytes, randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { claimsOfEvent } from "../../../server/ingest/claims.ts";
import { keyOf } from "../../../server/outbox/claim-key.ts";
import {
	type Batch,
	type BudgetLimits,
	budgetSlotMs,
	budgetUseKeptMs,
	type Claim,
	type DeadLetterSelection,
	type Discarded,
	type Ending,
	type Lease,
	type NewEvent,
	type Outbox,
	type Report,
	type ReportedEvent,
	type Settlement,
	type TakeRequest,
	userIdLinks,
} from "../../../server/outbox/outbox.ts";

const crisp = { site: "site", name: "crisp" };
const takeOptions = { lanes: 100, deliveries: 100, leaseMs: 1_000, served: 0, reservedOnly: false, holding: [] };

let number = 0;
const once = (key: string, reason = "duplicate", until = 10_000): Claim => ({ key, reason, at: 0, since: 0, until });
const event = (person: string, body: string, more: Partial<NewEvent> = {}): NewEvent => ({
	person,
	body,
	destinations: ["crisp"],
	claims: [once(`id ${++number}`)],
	rank: 0,
	reserved: false,
	trusted: false,
	...more,
});

const backend = { reserved: true, trusted: true };
const verified = { trusted: true };

/** A store, and a function that closes and reopens it and runs `sql` on its tables in between. */
export interface Opened {
	outbox: Outbox;
	reopen(sql?: string, options?: { maxBytes: number }): Promise<Outbox>;
	/** SQL that gives the tables the form of version 1 of the schema. */
	asVersion1: string;
}

/** Tests that every implementation of the outbox must pass. `open` opens an empty store. */
export function outboxSuite(open: () => Promise<Opened>): void {
	let outbox: Outbox;
	let reopen: Opened["reopen"];
	let asVersion1: string;
	beforeEach(async () => {
		({ outbox, reopen, asVersion1 } = await open());
	});

	/** Appends a batch and waits until the journal has been fanned out. */
	async function append(events: NewEvent[], more: Partial<Batch> = {}): Promise<void> {
		let heard = () => {};
		const stop = outbox.onReady(() => heard());
		let ready = new Promise<void>((resolve) => {
			heard = resolve;
		});
		await outbox.append({ site: "site", events, ...more });
		while ((await outbox.stats()).journal > 0) {
			await ready;
			ready = new Promise<void>((resolve) => {
				heard = resolve;
			});
		}
		stop();
	}

	const take = async (now: number, destination = crisp, lanes = 100): Promise<Lease[]> =>
		(await outbox.take({ ...takeOptions, destination, lanes, now })).leases;
	async function takeOne(now: number): Promise<Lease> {
		const [lease] = await take(now);
		if (!lease) throw new Error("there is no lane to take");
		return lease;
	}
	const end = (lease: Lease, now: number, count: number, ending: Ending = { kind: "delivered" }) =>
		outbox.settle({ lease, now, ended: { count, ending } });

	describe("a lane", () => {
		it("holds a person's events in the order they were appended", async () => {
			await append([event("ada", "1"), event("bob", "a"), event("ada", "2")]);
			await append([event("ada", "3")]);
			const leases = await take(0);
			expect(leases.map(({ person, bodies }) => [person, bodies])).toEqual([
				["ada", ["1", "2", "3"]],
				["bob", ["a"]],
			]);
		});

		it("is leased once at a time, until the lease expires", async () => {
			await append([event("ada", "1")]);
			const first = await takeOne(0);
			expect(await take(999)).toEqual([]);
			const second = await takeOne(1_000);
			expect(second.number).toBeGreaterThan(first.number);
		});

		it("is not leased again to a worker that still holds it, even after the lease has expired", async () => {
			await append([event("ada", "1"), event("ada", "2")]);
			const slow = await takeOne(0);
			const again = await outbox.take({ ...takeOptions, destination: crisp, now: 5_000, holding: [slow.lane] });
			expect(again.leases).toEqual([]);
			expect(await end(slow, 5_000, 1)).toBe("remains");
		});

		it("ignores the settlement of a lease that was taken over", async () => {
			await append([event("ada", "1"), event("ada", "2")]);
			const slept = await takeOne(0);
			const current = await takeOne(1_000);
			expect(await end(slept, 1_000, 1)).toBe("lost");
			expect(await end(current, 1_000, 1)).toBe("remains");
			expect((await takeOne(1_001)).bodies).toEqual(["2"]);
		});

		it("is not confused with an emptied earlier lane of the same person", async () => {
			await append([event("ada", "1")]);
			const old = await takeOne(0);
			await end(old, 0, 1);
			await append([event("ada", "2")]);
			const fresh = await takeOne(1);
			expect(await end(old, 1, 1)).toBe("lost");
			expect(fresh.bodies).toEqual(["2"]);
		});

		it("goes to the end of the turn after each request", async () => {
			await append([event("ada", "1"), event("ada", "2"), event("bob", "a")]);
			const [ada] = await take(0, crisp, 1);
			if (!ada) throw new Error("no lane");
			await end(ada, 0, 1);
			expect((await take(0)).map(({ person }) => person)).toEqual(["bob", "ada"]);
		});

		it("keeps its place in the turn after a request that only prepared its first event", async () => {
			await append([event("ada", "1"), event("bob", "a")]);
			const [ada] = await take(0, crisp, 1);
			if (!ada) throw new Error("no lane");
			await outbox.settle({ lease: ada, now: 0, known: "missing", sent: true, isOnTheWay: true });
			const [again] = await take(0, crisp, 1);
			expect([again?.person, again?.known, again?.requests]).toEqual(["ada", "missing", 1]);
			if (again) await end(again, 0, 1);
			expect((await takeOne(0)).person).toBe("bob");
		});

		it("waits after a failure until it is due, and counts the failures of its first event", async () => {
			await append([event("ada", "1")]);
			const lease = await takeOne(100);
			await outbox.settle({ lease, now: 100, failed: { dueAt: 500 } });
			const { leases, nextAt } = await outbox.take({ ...takeOptions, destination: crisp, now: 499 });
			expect([leases, nextAt]).toEqual([[], 500]);
			const again = await takeOne(500);
			expect([again.attempts, again.failingSince]).toEqual([1, 100]);
			await end(again, 500, 1);
			await append([event("ada", "2")]);
			expect((await takeOne(501)).attempts).toBe(0);
		});

		it("waits until it is due after it was postponed, without a counted failure", async () => {
			await append([event("ada", "1")]);
			await outbox.settle({ lease: await takeOne(100), now: 100, postponedTo: 500 });
			const { leases, nextAt } = await outbox.take({ ...takeOptions, destination: crisp, now: 499 });
			expect([leases, nextAt]).toEqual([[], 500]);
			const again = await takeOne(500);
			expect([again.attempts, again.failingSince, again.bodies]).toEqual([0, undefined, ["1"]]);
		});

		it("is not made ready by a new event while it waits", async () => {
			await append([event("ada", "1")]);
			await outbox.settle({ lease: await takeOne(0), now: 0, failed: { dueAt: 500 } });
			await append([event("ada", "2")]);
			expect(await take(499)).toEqual([]);
			expect((await takeOne(500)).bodies).toEqual(["1", "2"]);
		});

		it("keeps an event that is appended while it is leased", async () => {
			await append([event("ada", "1")]);
			const lease = await takeOne(0);
			await append([event("ada", "2")]);
			await end(lease, 0, 1);
			expect((await takeOne(0)).bodies).toEqual(["2"]);
		});

		it("shows at most as many deliveries as requested", async () => {
			await append([event("ada", "1"), event("ada", "2"), event("ada", "3")]);
			const { leases } = await outbox.take({ ...takeOptions, destination: crisp, now: 0, deliveries: 2 });
			expect(leases[0]?.bodies).toEqual(["1", "2"]);
		});

		it("is gone once its last delivery has ended, and remains after any other settlement", async () => {
			await append([event("ada", "1")]);
			const settle = async (more: Partial<Settlement>) => outbox.settle({ lease: await takeOne(9), now: 9, ...more });
			const ended: Settlement["ended"] = { count: 1, ending: { kind: "delivered" } };
			expect(await settle({})).toBe("remains");
			expect(await settle({ failed: { dueAt: 9 } })).toBe("remains");
			expect(await settle({ ended })).toBe("gone");
		});

		it("is reported by a take that has left it ready, unless that take was for other lanes", async () => {
			await append([event("ada", "1", { reserved: true }), event("bob", "1"), event("eve", "1")]);
			const isMore = async (reservedOnly = false) =>
				(await outbox.take({ ...takeOptions, destination: crisp, lanes: 1, reservedOnly, now: 0, served: 9 })).isMore;
			expect(await isMore(true)).toBe(false);
			expect(await isMore()).toBe(true);
			expect(await isMore()).toBe(false);
			expect(await isMore()).toBe(false);
		});

		it("belongs to one destination of one site", async () => {
			await append([event("ada", "1", { destinations: ["crisp", "helpcrunch"] })]);
			await append([event("ada", "2")], { site: "other" });
			await end(await takeOne(0), 0, 1);
			expect(await take(0)).toEqual([]);
			expect((await take(0, { site: "site", name: "helpcrunch" }))[0]?.bodies).toEqual(["1"]);
			expect((await take(0, { site: "other", name: "crisp" }))[0]?.bodies).toEqual(["2"]);
		});
	});

	describe("the turn", () => {
		const persons = async (request: Partial<TakeRequest> = {}) =>
			(await outbox.take({ ...takeOptions, destination: crisp, now: 0, ...request })).leases.map(
				({ person }) => person,
			);

		it("goes by rank, then to the lane served longest ago", async () => {
			await append([event("ada", "1", { rank: 2 }), event("bob", "1", { rank: 1 }), event("eve", "1", { rank: 1 })]);
			expect(await persons()).toEqual(["bob", "eve", "ada"]);
		});

		it("ranks a lane by the best of its entries, even if that is not the first", async () => {
			await append([event("ada", "1", { rank: 2 }), event("bob", "1", { rank: 3 }), event("bob", "2", { rank: 1 })]);
			expect(await persons()).toEqual(["bob", "ada"]);
		});

		it("ranks a lane by its remaining entries once the best is gone", async () => {
			await append([event("bob", "1", { rank: 1 }), event("bob", "2", { rank: 3 }), event("ada", "1", { rank: 2 })]);
			const [bob] = await take(0, crisp, 1);
			if (!bob) throw new Error("no lane");
			await end(bob, 0, 1);
			expect(await persons()).toEqual(["ada", "bob"]);
		});

		it("ranks a lane by its next best entry once many entries before it are gone", async () => {
			// Two people in turn, so that consecutive events do not share a bundle.
			const much = Array.from({ length: 150 }, () =>
				["ada", "eve"].map((person) => event(person, "", { rank: 2 })),
			).flat();
			await append([event("ada", "first"), ...much, event("ada", "last"), event("bob", "1", { rank: 1 })]);
			for (let now = 0; now < 151 * 1_000; now += 1_000) {
				const ada = (await take(now)).find(({ person }) => person === "ada");
				if (!ada) throw new Error("no lane");
				await end(ada, now, 1);
			}
			expect(await persons({ now: 200_000 })).toEqual(["ada", "bob", "eve"]);
		});

		it("goes every tenth time to the lane that has waited longest", async () => {
			await append([event("old", "1", { rank: 9 })]);
			await append(Array.from({ length: 20 }, (_, index) => event(`new ${index}`, "1")));
			expect((await persons({ lanes: 12 })).indexOf("old")).toBe(9);
		});

		it("goes by an event's own rank at a destination, where it has one", async () => {
			const destinations = ["crisp", "helpcrunch"];
			await append([
				event("ada", "1", { rank: 2, destinations }),
				event("bob", "1", { rank: 3, destinations, exceptions: { crisp: { rank: 1 } } }),
			]);
			expect(await persons()).toEqual(["bob", "ada"]);
			expect(await persons({ destination: { site: "site", name: "helpcrunch" } })).toEqual(["ada", "bob"]);
		});

		it("counts to ten across several takes", async () => {
			await append([event("old", "1", { rank: 9 }), event("ada", "1"), event("bob", "1")]);
			expect(await persons({ lanes: 1, served: 8 })).toEqual(["ada"]);
			expect(await persons({ lanes: 1, served: 9 })).toEqual(["old"]);
		});

		it("is only of the backend's events when only the reserve is left, whatever else waits for their people", async () => {
			const visits = [event("ada", "1", { rank: 5 }), event("bob", "1", verified), event("eve", "1", verified)];
			await append([...visits, event("ada", "2", backend), event("bob", "2", backend)]);
			const { leases } = await outbox.take({ ...takeOptions, destination: crisp, now: 0, reservedOnly: true });
			expect(leases.map(({ person, bodies }) => [person, bodies])).toEqual([
				["ada", ["2"]],
				["bob", ["2"]],
			]);
		});
	});

	describe("a person's events", () => {
		const bodies = async (now = 0) => (await take(now)).map((lease) => lease.bodies);

		it("go in the order of trust: the backend's, a verified visitor's, anybody's; and each in their order", async () => {
			for (const place of ["1", "2"]) {
				await append([event("ada", `forged ${place}`), event("ada", `verified ${place}`, verified)]);
				await append([event("ada", `backend ${place}`, backend)]);
			}
			for (const kind of ["backend", "verified", "forged"]) {
				const lease = await takeOne(0);
				expect(lease.bodies).toEqual([`${kind} 1`, `${kind} 2`]);
				expect(await take(0), "one request at a time").toEqual([]);
				expect(await end(lease, 0, 2)).toBe(kind === "forged" ? "gone" : "yields");
			}
			expect((await outbox.stats()).destinations[0]).toMatchObject({ owed: 0, lanes: 0, delivered: 6 });
		});

		it("that are trusted do not wait for an untrusted one that fails", async () => {
			await append([event("ada", "forged")]);
			const forged = await takeOne(0);
			await append([event("ada", "purchase", backend)]);
			expect(await outbox.settle({ lease: forged, now: 0, failed: { dueAt: 900_000 } })).toBe("yields");
			const purchase = await takeOne(1);
			expect(purchase.bodies).toEqual(["purchase"]);
			await end(purchase, 1, 1);
			expect(await bodies(899_999)).toEqual([]);
			expect(await bodies(900_000)).toEqual([["forged"]]);
		});

		it("that are trusted wait for the one request that is under way", async () => {
			await append([event("ada", "forged 1"), event("ada", "forged 2")]);
			const forged = await takeOne(0);
			await append([event("ada", "purchase", backend), event("ada", "login", verified)]);
			expect(await bodies()).toEqual([]);
			expect(await end(forged, 0, 1)).toBe("yields");
			expect(await bodies()).toEqual([["purchase"]]);
			expect(await bodies(1_000), "the lease ran out").toEqual([["purchase"]]);
		});

		it("that are trusted follow once an untrusted lease has run out", async () => {
			await append([event("ada", "forged")]);
			await takeOne(0);
			await append([event("ada", "purchase", backend)]);
			expect(await bodies(999)).toEqual([]);
			expect(await bodies(1_000)).toEqual([["purchase"]]);
		});

		it("that are untrusted go on when the trusted ones have ended, expired or been forgotten", async () => {
			await append([event("ada", "forged 1"), event("ada", "purchase", backend)]);
			expect(await outbox.expire({ destination: crisp, before: Date.now() + 1, now: 0 })).toBe(2);
			await append([event("ada", "forged 2"), event("ada", "login", verified)]);
			const lease = await takeOne(0);
			await end(lease, 0, 1, { kind: "dead", reason: "no" });
			expect(await bodies()).toEqual([["forged 2"]]);
			await append([event("ada", "purchase", backend)]);
			await outbox.forget({ site: "site", people: ["ada"] });
			await append([event("ada", "forged 3")]);
			expect(await bodies()).toEqual([["forged 3"]]);
		});

		it("return to the place of their trust when they are replayed", async () => {
			const dead = { kind: "dead", reason: "no" } as const;
			await append([event("ada", "forged", { rank: 0 }), event("ada", "login", { ...verified, rank: 5 })]);
			await end(await takeOne(0), 0, 1, dead);
			await end(await takeOne(0), 0, 1, dead);
			await outbox.replay({});
			const first = await takeOne(0);
			expect(first.bodies).toEqual(["login"]);
			await end(first, 0, 1);
			expect(await bodies()).toEqual([["forged"]]);
		});

		it("are found in the order in which they go", async () => {
			await append([event("ada", "forged"), event("ada", "purchase", backend)]);
			const find = async () =>
				(await outbox.findOwed({ destinations: [crisp], people: ["ada"], limit: 9 })).map((each) => [
					each.body,
					each.ahead,
				]);
			expect(await find()).toEqual([
				["purchase", 0],
				["forged", 1],
			]);
			expect((await outbox.findEvents({ text: "forged" })).events).toMatchObject([{ body: "forged" }]);
		});

		it("that waited in one lane of version 1 keep their order, and those of the backend pass them", async () => {
			const dead = { kind: "dead", reason: "no" } as const;
			await append([event("eve", "backend", backend), event("fay", "forged")]);
			for (const lease of await take(0)) await end(lease, 0, 1, dead);
			await append([event("ada", "1"), event("ada", "2"), event("bob", "1", backend)]);
			outbox = await reopen(asVersion1);
			await append([event("ada", "3"), event("ada", "purchase", backend), event("bob", "2", backend)]);
			expect((await take(0)).map((lease) => [lease.person, lease.bodies])).toEqual([
				["bob", ["1", "2"]],
				["ada", ["purchase"]],
			]);
			for (const body of ["purchase", "1", "2", "3"]) {
				const lease = (await take(1_000)).find(({ person }) => person === "ada");
				expect(lease?.bodies[0]).toBe(body);
				if (lease) await end(lease, 1_000, 1);
			}
			await outbox.replay({});
			const { leases } = await outbox.take({ ...takeOptions, destination: crisp, now: 9_000, reservedOnly: true });
			expect(leases.map(({ person }) => person).sort()).toEqual(["bob", "eve"]);
		});

		it("that are untrusted wait at most 500 at a time at a destination; more are discarded and counted", async () => {
			const both = { destinations: ["crisp", "helpcrunch"] };
			const forged = (from: number, to: number, more = {}) =>
				Array.from({ length: to - from }, (_, index) => event("ada", String(from + index), more));
			await append(forged(0, 300));
			await append([...forged(300, 600, both), event("bob", "1")]);
			await append([event("ada", "600"), event("ada", "purchase", backend)]);
			const { destinations } = await outbox.stats();
			expect(destinations).toMatchObject([
				{ destination: crisp, owed: 502, discarded: { too_many_waiting: 101 } },
				{ destination: { site: "site", name: "helpcrunch" }, owed: 300, discarded: {} },
			]);
			const [bob, purchase] = await take(0);
			expect([bob?.person, purchase?.bodies]).toEqual(["bob", ["purchase"]]);
			if (purchase) await end(purchase, 0, 1);
			if (bob) await end(bob, 0, 1);
			const delivered: string[] = [];
			while (delivered.length < 500) {
				const ada = await takeOne(0);
				delivered.push(...ada.bodies);
				await end(ada, 0, ada.bodies.length);
			}
			expect(delivered).toEqual(Array.from({ length: 500 }, (_, index) => String(index)));
			await append(forged(601, 603));
			expect((await takeOne(0)).bodies).toEqual(["601", "602"]);
		});
	});

	describe("a budget", () => {
		const limits = { cap: 100, reserve: 0, bucket: 10, windowMs: 1_000, windowOffsetMs: 0 };
		const advance = (want: number, now: number, more: Partial<BudgetLimits> = {}) =>
			outbox.advance({ destination: crisp, limits: { ...limits, ...more }, want, now });

		it("is spent durably, even across a restart", async () => {
			expect(await advance(8, 0)).toMatchObject({ granted: 8 });
			outbox = await reopen();
			expect(await advance(8, 0)).toMatchObject({ granted: 2, nextAt: 11 });
		});

		it("is exact under concurrent requests", async () => {
			const granted = await Promise.all(Array.from({ length: 50 }, () => advance(3, 0)));
			expect(granted.reduce((sum, each) => sum + each.granted, 0)).toBe(10);
		});

		it("is separate for each destination", async () => {
			await advance(10, 0);
			const other = await outbox.advance({ destination: { site: "other", name: "crisp" }, limits, want: 10, now: 0 });
			expect(other.granted).toBe(10);
		});

		it("reports its use in the current window", async () => {
			await append([event("ada", "1")]);
			await advance(4, 1_500);
			expect((await outbox.stats()).destinations[0]?.budget).toMatchObject({ used: 4, windowStart: 1_000 });
		});

		it("reports when the first lane is due, if all lanes wait for another attempt", async () => {
			const dueAt = async () => (await outbox.stats()).destinations[0]?.nextDueAt;
			await append([event("ada", "1"), event("bob", "2")]);
			expect(await dueAt()).toBeUndefined();
			const [first, second] = await take(0);
			await outbox.settle({ lease: first as Lease, now: 0, failed: { dueAt: 700 } });
			expect(await dueAt()).toBeUndefined();
			await outbox.settle({ lease: second as Lease, now: 0, failed: { dueAt: 900 } });
			expect(await dueAt()).toBe(700);
		});

		it("reports its use of the last day in slots of ten minutes, even across a restart", async () => {
			const slot = budgetSlotMs;
			await advance(2, 1_000);
			await advance(3, slot - 1);
			await advance(4, slot);
			await outbox.advance({ destination: { site: "other", name: "crisp" }, limits, want: 1, now: slot });
			outbox = await reopen();
			expect(await outbox.budgetUse({ since: 0 })).toEqual([
				{ destination: { site: "other", name: "crisp" }, at: slot, used: 1 },
				{ destination: crisp, at: 0, used: 5 },
				{ destination: crisp, at: slot, used: 4 },
			]);
			expect((await outbox.budgetUse({ since: 1 })).map(({ at }) => at)).toEqual([slot, slot]);
		});

		it("forgets its use after a day", async () => {
			await advance(2, 0);
			await advance(2, budgetSlotMs);
			await outbox.sweep({ now: budgetUseKeptMs + 1, before: 0 });
			expect(await outbox.budgetUse({ since: 0 })).toEqual([{ destination: crisp, at: budgetSlotMs, used: 2 }]);
		});

		it("records no use if nothing was granted", async () => {
			await advance(10, 0);
			await advance(1, 0);
			expect(await outbox.budgetUse({ since: 0 })).toEqual([{ destination: crisp, at: 0, used: 10 }]);
		});
	});

	describe("the hold of a destination", () => {
		const change = (from: string | undefined, to: string | undefined, destination = crisp) =>
			outbox.hold({ destination, from, to });

		it("is replaced only by a caller that knows the current one", async () => {
			expect(await change(undefined, "a")).toEqual({ changed: true, hold: "a" });
			expect(await change(undefined, "b")).toEqual({ changed: false, hold: "a" });
			expect(await change("a", undefined)).toEqual({ changed: true, hold: undefined });
			expect(await change("a", "b")).toEqual({ changed: false, hold: undefined });
		});

		it("can be read, by itself", async () => {
			expect(await outbox.holdOf(crisp)).toBeUndefined();
			await change(undefined, "a");
			expect(await outbox.holdOf(crisp)).toBe("a");
			expect(await outbox.holdOf({ ...crisp, site: "another" })).toBeUndefined();
		});

		it("is set by exactly one of many concurrent callers", async () => {
			const all = await Promise.all(Array.from({ length: 20 }, (_, index) => change(undefined, String(index))));
			expect(all.filter(({ changed }) => changed)).toHaveLength(1);
			expect(new Set(all.map(({ hold }) => hold)).size).toBe(1);
		});

		it("is reported to a worker that does not know it, and that worker gets no lanes", async () => {
			await append([event("ada", "1")]);
			await change(undefined, "paused");
			const take = (hold: string | undefined) => outbox.take({ ...takeOptions, destination: crisp, now: 0, hold });
			expect(await take(undefined)).toMatchObject({ leases: [], hold: "paused" });
			expect(await take("another")).toMatchObject({ leases: [], hold: "paused" });
			expect(await take("paused")).toMatchObject({ leases: [{ person: "ada" }], hold: "paused" });
		});

		it("is separate for each destination, and survives a restart", async () => {
			await change(undefined, "a");
			await change(undefined, "b", { site: "other", name: "crisp" });
			outbox = await reopen();
			expect(await change(undefined, "c")).toEqual({ changed: false, hold: "a" });
			expect(await change(undefined, "c", { site: "other", name: "crisp" })).toEqual({ changed: false, hold: "b" });
			expect(await change(undefined, "c", { site: "site", name: "helpcrunch" })).toEqual({ changed: true, hold: "c" });
		});
	});

	it("a lease ends with the first event that takes a request of its own, unless a settlement set the number", async () => {
		const alone = (body: string) => event("ada", body, { alone: true });
		await append([alone("1"), event("ada", "2"), alone("3"), alone("4")]);
		const fresh = await takeOne(0);
		expect(fresh.bodies).toEqual(["1"]);
		await outbox.settle({ lease: fresh, now: 0, sent: true, narrowTo: 100 });
		const tried = await takeOne(0);
		expect(tried.bodies).toEqual(["1", "2", "3", "4"]);
		await outbox.settle({ lease: tried, now: 0, ended: { count: 1, ending: { kind: "delivered" } } });
		const next = await takeOne(0);
		expect(next.bodies).toEqual(["2", "3"]);
		await append([event("ada", "5")]);
		await outbox.settle({ lease: next, now: 0, ended: { count: 2, ending: { kind: "delivered" } } });
		expect((await takeOne(0)).bodies).toEqual(["4"]);
	});

	it("a lease of mixed events does not end before its number", async () => {
		await append(["1", "2", "3"].map((body) => event("ada", body, { alone: true })));
		const { leases } = await outbox.take({
			...takeOptions,
			destination: crisp,
			lanes: 1,
			deliveries: 2,
			isMixed: true,
			now: 0,
		});
		expect(leases.map(({ bodies }) => bodies)).toEqual([["1", "2"]]);
	});

	it("a lease shows the events of its own destination and trust among others of the same batch", async () => {
		const [crispOnly, other] = [{}, { destinations: ["helpcrunch"] }];
		const more = [crispOnly, other, crispOnly, other, other, crispOnly];
		await append(more.map((each, index) => event("ada", `"${index} ä\\\u0001"`, each)));
		const lease = await takeOne(0);
		expect(lease.bodies).toEqual([0, 2, 5].map((index) => `"${index} ä\\\u0001"`));
		await outbox.settle({ lease, now: 0, ended: { count: 1, ending: { kind: "delivered" } } });
		expect((await takeOne(0)).bodies).toEqual([2, 5].map((index) => `"${index} ä\\\u0001"`));
	});

	describe("a narrowed lease", () => {
		it("shows fewer deliveries until one has ended", async () => {
			await append(["1", "2", "3", "4"].map((body) => event("ada", body)));
			await outbox.settle({ lease: await takeOne(0), now: 0, narrowTo: 2, sent: true });
			const narrow = await takeOne(0);
			expect([narrow.bodies, narrow.requests]).toEqual([["1", "2"], 1]);
			await end(narrow, 0, 1);
			const wide = await takeOne(0);
			expect([wide.bodies, wide.requests]).toEqual([["2", "3", "4"], 0]);
		});
	});

	describe("a lane that waits for an event worth a profile", () => {
		const earns = { exceptions: { crisp: { earns: true } } };
		const awaiting = (lease: Lease, now: number, until = 9_000) =>
			outbox.settle({ lease, now, awaitedTo: until, isOnTheWay: true });
		/** Lets the person's lane wait: once for what came before, and once until the time. */
		async function wait(now = 0): Promise<void> {
			await awaiting(await takeOne(now), now);
			const second = await takeOne(now);
			expect(second.earns).toBeUndefined();
			expect(await awaiting(second, now)).toBe("remains");
			expect(await take(now)).toEqual([]);
		}
		const waiting = async () => (await outbox.stats()).destinations.map(({ owed, discarded }) => ({ owed, discarded }));

		it("shows all of its events, and is due at its time", async () => {
			await append([event("ada", "1", { alone: true }), event("ada", "2", { alone: true })]);
			await wait();
			const { leases, nextAt } = await outbox.take({ ...takeOptions, destination: crisp, now: 8_999 });
			expect([leases, nextAt]).toEqual([[], 9_000]);
			expect((await takeOne(9_000)).bodies).toEqual(["1", "2"]);
		});

		it("goes on waiting when other events come", async () => {
			await append([event("ada", "1")]);
			await wait();
			await append([event("ada", "2"), event("bob", "a", earns)]);
			expect((await take(1)).map(({ person }) => person)).toEqual(["bob"]);
		});

		it("is ready as soon as one comes, and is told of it", async () => {
			await append([event("ada", "1", { alone: true })]);
			await wait();
			await append([event("ada", "2", { ...earns, alone: true })]);
			expect(await takeOne(1)).toMatchObject({ earns: true, bodies: ["1", "2"] });
		});

		it.each([
			["backend", "visitor", backend, {}],
			["backend", "verified visitor", backend, verified],
			["verified visitor", "visitor", verified, {}],
		])("of the %s is ready as soon as one of the %s comes", async (_, __, own, other) => {
			await append([event("ada", "1", own)]);
			await wait();
			await append([event("ada", "2", { ...earns, ...other })]);
			expect(await takeOne(1)).toMatchObject({ earns: true, bodies: ["1"] });
		});

		it("of a visitor is ready once one of the backend was delivered", async () => {
			await append([event("ada", "1")]);
			await wait();
			await append([event("ada", "2", { ...earns, ...backend })]);
			const purchase = await takeOne(1);
			expect(purchase.bodies).toEqual(["2"]);
			expect(await end(purchase, 1, 1)).toBe("yields");
			expect((await takeOne(1)).bodies).toEqual(["1"]);
		});

		it("misses none that comes while it is leased", async () => {
			await append([event("ada", "1")]);
			const first = await takeOne(0);
			await append([event("ada", "2", earns)]);
			await awaiting(first, 0);
			const second = await takeOne(0);
			expect(second).toMatchObject({ earns: true, bodies: ["1", "2"] });
			await end(second, 0, 2);
			await append([event("ada", "3")]);
			await awaiting(await takeOne(1), 1);
			const last = await takeOne(1);
			await append([event("ada", "4", earns)]);
			expect(await awaiting(last, 1)).toBe("remains");
			expect(await takeOne(1)).toMatchObject({ earns: true });
		});

		it("is told of one that is further back than a lease shows, and of none that has ended", async () => {
			const many = Array.from({ length: 150 }, (_, n) => event("ada", String(n), n === 0 || n === 140 ? earns : {}));
			await append(many);
			const first = await takeOne(0);
			await outbox.settle({ lease: first, now: 0, narrowTo: 100, sent: true });
			expect(await takeOne(0)).toMatchObject({ earns: true });
			await outbox.settle({
				lease: await takeOne(2_000),
				now: 2_000,
				ended: { count: 100, ending: { kind: "delivered" } },
			});
			await outbox.settle({
				lease: await takeOne(2_000),
				now: 2_000,
				ended: { count: 41, ending: { kind: "delivered" } },
			});
			await outbox.settle({ lease: await takeOne(2_000), now: 2_000, narrowTo: 100, sent: true });
			expect((await takeOne(2_000)).earns).toBeUndefined();
		});

		it("waits after a failure like any other", async () => {
			await append([event("ada", "1")]);
			await wait();
			await append([event("ada", "2", earns)]);
			await outbox.settle({ lease: await takeOne(1), now: 1, failed: { dueAt: 5_000 } });
			await append([event("ada", "3", earns)]);
			expect(await take(4_999)).toEqual([]);
			expect(await take(5_000)).toHaveLength(1);
		});

		it.each([
			["a visitor's", {}],
			["the backend's", backend],
		])("owes at most 500 of %s events, and takes one worth a profile nevertheless", async (_, trust) => {
			await append([event("ada", "first", trust)]);
			await wait();
			for (let batch = 0; batch < 6; batch += 1)
				await append(Array.from({ length: 100 }, (_, n) => event("ada", `${batch} ${n}`, trust)));
			expect(await waiting()).toMatchObject([{ owed: 500, discarded: { too_many_waiting: 101 } }]);
			expect(await take(1)).toEqual([]);
			await append([event("ada", "purchase", { ...trust, ...earns }), event("ada", "visit", trust)]);
			expect(await waiting()).toMatchObject([{ owed: 501, discarded: { too_many_waiting: 102 } }]);
			expect(await takeOne(1)).toMatchObject({ earns: true });
		});

		it("expires like any other", async () => {
			await append([event("ada", "1")]);
			await wait();
			expect(await outbox.expire({ destination: crisp, before: Date.now() + 1, now: 5 })).toBe(1);
			expect((await outbox.deadLetters({ limit: 10 })).items.map(({ reason }) => reason)).toEqual(["expired"]);
		});

		it("goes on waiting once its first events have expired", async () => {
			await append([event("ada", "1")]);
			const before = Date.now() + 1;
			await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(before));
			await append([event("ada", "2")]);
			await wait();
			expect(await outbox.expire({ destination: crisp, before, now: 5 })).toBe(1);
			expect(await take(5)).toEqual([]);
			await append([event("ada", "3", earns)]);
			expect(await takeOne(5)).toMatchObject({ earns: true, bodies: ["2", "3"] });
		});

		it("is ready when a dead letter of the person is replayed", async () => {
			await append([event("ada", "purchase")]);
			await end(await takeOne(0), 0, 1, { kind: "dead", reason: "rejected" });
			await append([event("ada", "1")]);
			await wait();
			await outbox.replay({});
			expect((await takeOne(1)).bodies).toEqual(["1", "purchase"]);
		});
	});

	describe("expiry", () => {
		it("makes dead letters of entries that have waited too long, and of no others", async () => {
			await append([event("ada", "1"), event("bob", "1")]);
			const leased = (await take(0, crisp, 1))[0];
			const before = Date.now() + 1;
			expect(await outbox.expire({ destination: crisp, before: 0, now: 5 })).toBe(0);
			expect(await outbox.expire({ destination: { site: "site", name: "helpcrunch" }, before, now: 5 })).toBe(0);
			expect(await outbox.expire({ destination: crisp, before, now: 5 })).toBe(1);
			const { items } = await outbox.deadLetters({ limit: 10 });
			expect(items.map(({ reason, body }) => [reason, body])).toEqual([["expired", "1"]]);
			expect(leased && (await end(leased, 5, 1))).toBe("gone");
		});

		it("discards entries that lapse instead, and counts both", async () => {
			const exceptions = { crisp: { lapses: true } };
			await append([event("ada", "1", { exceptions }), event("ada", "2"), event("ada", "3", { exceptions })]);
			expect(await outbox.expire({ destination: crisp, before: Date.now() + 1, now: 5 })).toBe(3);
			const { items } = await outbox.deadLetters({ limit: 10 });
			expect(items.map(({ body }) => body)).toEqual(["2"]);
			const [stats] = (await outbox.stats()).destinations;
			expect(stats).toMatchObject({ owed: 0, lanes: 0, dead: 1, discarded: { expired: 2 } });
		});

		it("makes a dead letter of an entry that lapses if it was rejected before", async () => {
			await append([event("ada", "1", { exceptions: { crisp: { lapses: true } } })]);
			await end(await takeOne(0), 0, 1, { kind: "dead", reason: "rejected" });
			expect((await outbox.deadLetters({ limit: 10 })).items.map(({ reason }) => reason)).toEqual(["rejected"]);
		});

		it("is announced, as the person's next lane may be ready then", async () => {
			await append([event("ada", "purchase", backend), event("ada", "visit")]);
			const old = await takeOne(0);
			await outbox.settle({ lease: old, now: 0, failed: { dueAt: 9_000 } });
			const announced = new Promise<void>((ready) => outbox.onReady(ready));
			expect(await outbox.expire({ destination: crisp, before: Date.now() + 1, now: 5 })).toBe(2);
			await announced;
		});
	});

	describe("a claim", () => {
		it("lets one event through, and counts the discarded ones by reason", async () => {
			const claims = [once("same id")];
			await append([event("ada", "1", { claims }), event("ada", "2", { claims })]);
			await append([event("ada", "3", { claims })]);
			expect((await takeOne(0)).bodies).toEqual(["1"]);
			expect((await outbox.stats()).discarded).toEqual({ duplicate: 2 });
		});

		it("holds in its own site only", async () => {
			await append([event("ada", "1", { claims: [once("order")] })]);
			await append([event("ada", "2", { claims: [once("order")] })], { site: "other" });
			expect(await take(0, { site: "other", name: "crisp" })).toHaveLength(1);
		});

		it("marked `ofPerson` holds for that person only", async () => {
			const claims = [{ ...once("order"), ofPerson: true }];
			await append([event("ada", "1", { claims }), event("bob", "a", { claims }), event("ada", "2", { claims })]);
			expect((await take(0)).map(({ bodies }) => bodies)).toEqual([["1"], ["a"]]);
		});

		it("of one destination discards the delivery to it alone, counts it there, and tells of it", async () => {
			const told: Discarded[] = [];
			outbox.onDiscarded((discarded) => told.push(...discarded));
			const atCrisp = { ...once("order at crisp", "duplicate_order"), destination: "crisp" };
			const order = (body: string, destinations: string[], id: Claim) =>
				event("ada", body, { destinations, claims: [id, atCrisp] });
			const id = once("second");
			await append([order("1", ["crisp", "helpcrunch"], once("first")), order("2", ["crisp", "helpcrunch"], id)]);
			await append([order("3", ["crisp"], once("third"))]);
			expect((await takeOne(0)).bodies).toEqual(["1"]);
			expect((await take(0, { site: "site", name: "helpcrunch" }))[0]?.bodies).toEqual(["1", "2"]);
			const { destinations, discarded } = await outbox.stats();
			expect(discarded).toEqual({});
			const counts = destinations.map(({ destination, owed, discarded }) => [destination.name, owed, discarded]);
			expect(counts).toEqual([
				["crisp", 1, { duplicate_order: 2 }],
				["helpcrunch", 2, {}],
			]);
			expect(told.map(({ destination, reason }) => [destination, reason])).toEqual([
				["crisp", "duplicate_order"],
				["crisp", "duplicate_order"],
			]);
			expect(told[0]?.key).toBe(keyOf("site", "ada", id).toString("hex"));
		});

		it("of a destination is not taken by an event that another claim discards", async () => {
			const atCrisp = { ...once("order at crisp"), destination: "crisp" };
			const id = once("same id");
			await append([event("ada", "1", { claims: [id] }), event("ada", "2", { claims: [id, atCrisp] })]);
			await append([event("ada", "3", { claims: [once("its own"), atCrisp] })]);
			expect((await takeOne(0)).bodies).toEqual(["1", "3"]);
		});

		it("is not taken by an event that another claim discards", async () => {
			await append([event("ada", "1", { claims: [once("order", "duplicate_order")] })]);
			await append([event("ada", "2", { claims: [once("order", "duplicate_order"), once("its id")] })]);
			await append([event("ada", "3", { claims: [once("its id")] })]);
			expect((await takeOne(0)).bodies).toEqual(["1", "3"]);
		});

		it("expires at its time, counted from the event that made it", async () => {
			const open = (at: number): Claim[] => [{ key: "open", reason: "soon", at, since: at, until: at + 20 }];
			for (const at of [100, 110, 119, 120, 139, 140]) await append([event("ada", String(at), { claims: open(at) })]);
			expect((await takeOne(0)).bodies).toEqual(["100", "120", "140"]);
		});

		it("that is only checked discards an event if it is taken, but is not taken by the event", async () => {
			const checked = (key: string) => ({ ...once(key), isOnlyChecked: true });
			await append([event("ada", "1", { claims: [once("a"), checked("b")] })]);
			await append([event("ada", "2", { claims: [checked("b")] }), event("ada", "3", { claims: [checked("a")] })]);
			await append([event("ada", "4", { claims: [once("b")] }), event("ada", "5", { claims: [checked("b")] })]);
			expect((await takeOne(0)).bodies).toEqual(["1", "2", "4"]);
		});

		describe("on an order, of a trusted purchase,", () => {
			const helpcrunch = { ...crisp, name: "helpcrunch" };
			const both = ["crisp", "helpcrunch"];
			let heard: Discarded[] = [];
			beforeEach(() => {
				heard = [];
				outbox.onDiscarded((discarded) => heard.push(...discarded));
			});
			function purchase(orderId: string, more: Partial<NewEvent> & { type?: string; data?: object } = {}) {
				const { type = "confirmation", data = { orderId }, ...rest } = more;
				const { trusted = false, reserved = false } = rest;
				const facts = { id: randomUUID(), type: "confirmation", at: 0, person: { email: "ada@example.com" } };
				const claims = claimsOfEvent(
					{ event: { ...facts, type: "confirmation", data: { orderId } }, trusted, receivedAt: 5 },
					"ada",
				);
				const body = JSON.stringify({ event: { ...facts, type, data }, trusted, reserved, receivedAt: 5 });
				return event("ada", body, { destinations: both, rank: trusted ? 0 : 5, claims, ...rest });
			}
			const waits = async (destination = crisp) =>
				(await outbox.findOwed({ destinations: [destination], people: ["ada"], limit: 100 })).map(({ body }) => body);
			const figures = async () =>
				(await outbox.stats()).destinations.map(({ destination: { name }, owed, lanes, discarded }) => [
					...[name, owed, lanes],
					discarded,
				]);
			const bodiesOf = (...events: NewEvent[]) => events.map(({ body }) => body);

			it("is taken from an untrusted one that waits, which is discarded in its place", async () => {
				const [forged, other, real] = [purchase("A"), event("ada", "other", { rank: 3 }), purchase("A", backend)];
				await append([other, forged, event("ada", "more", { rank: 4 })]);
				await append([real]);
				expect(await waits()).toEqual(bodiesOf(real, other, event("ada", "more")));
				expect(await waits(helpcrunch)).toEqual(bodiesOf(real));
				expect(await figures()).toEqual([
					["crisp", 3, 2, { duplicate_order: 1 }],
					["helpcrunch", 1, 1, { duplicate_order: 1 }],
				]);
				expect((await outbox.stats()).discarded).toEqual({});
				const key = keyOf("site", "ada", forged.claims[0] as Claim).toString("hex");
				const told = (destination: string) => ({
					site: "site",
					person: "ada",
					key,
					reason: "duplicate_order",
					destination,
				});
				expect(heard).toEqual(both.map(told));
				await append([purchase("A", backend), purchase("A", verified), purchase("A")]);
				expect((await outbox.stats()).discarded).toEqual({ duplicate_order: 3 });
				expect(await waits()).toHaveLength(3);
			});

			it("leaves lanes and bundles as if the untrusted one had not been there", async () => {
				const browser = event("ada", "later", { rank: 4, destinations: both });
				await append([purchase("A"), browser]);
				await append([purchase("A", verified)]);
				const [first] = await take(0);
				expect(first?.bodies).toHaveLength(1);
				if (first) await end(first, 0, 1);
				const [second] = await take(1);
				expect(second?.bodies).toEqual(["later"]);
				if (second) await end(second, 1, 1);
				for (const lease of await take(2, helpcrunch)) await end(lease, 2, 1);
				for (const lease of await take(3, helpcrunch)) await end(lease, 3, 1);
				expect(await figures()).toEqual([
					["crisp", 0, 0, { duplicate_order: 1 }],
					["helpcrunch", 0, 0, { duplicate_order: 1 }],
				]);
				expect((await outbox.findEvents({ text: "" })).events).toEqual([]);
			});

			it("is taken at those destinations alone where the untrusted one waits", async () => {
				const [browser, real] = [purchase("A"), purchase("A", backend)];
				await append([browser]);
				const [lease] = await take(0, helpcrunch);
				if (lease) await end(lease, 0, 1);
				await append([real]);
				expect([await waits(), await waits(helpcrunch)]).toEqual([bodiesOf(real), []]);
				expect(await figures()).toEqual([
					["crisp", 1, 1, { duplicate_order: 1 }],
					["helpcrunch", 0, 0, { duplicate_order: 1 }],
				]);
				expect(heard.map(({ key, destination }) => [key, destination])).toEqual([
					[keyOf("site", "ada", browser.claims[0] as Claim).toString("hex"), "crisp"],
					[keyOf("site", "ada", real.claims[0] as Claim).toString("hex"), "helpcrunch"],
				]);
			});

			it.each<[string, () => Promise<unknown>]>([
				["is leased", () => takeOne(0)],
				["was tried", async () => outbox.settle({ lease: await takeOne(0), now: 0, failed: { dueAt: 5 } })],
				["was prepared", async () => outbox.settle({ lease: await takeOne(0), now: 0, sent: true })],
				["is a dead letter", async () => end(await takeOne(0), 0, 1, { kind: "dead", reason: "x" })],
				[
					"is the replay of a dead letter",
					async () => {
						await end(await takeOne(0), 0, 1, { kind: "dead", reason: "x" });
						await outbox.replay({});
					},
				],
			])("is not taken from one that %s", async (_, what) => {
				const browser = purchase("A", { destinations: ["crisp"] });
				await append([browser]);
				await what();
				await append([purchase("A", { ...backend, destinations: ["crisp"] })]);
				expect((await outbox.stats()).discarded).toEqual({ duplicate_order: 1 });
				expect((await waits()).filter((body) => body !== browser.body)).toEqual([]);
			});

			it("is not taken from one of another order, or from another event that only says so", async () => {
				const nested = purchase("X", { type: "track", data: { event: { type: "confirmation" }, orderId: "A" } });
				const browser = purchase("A", { destinations: ["crisp"] });
				await append([browser]);
				await end(await takeOne(0), 0, 1);
				await append([nested, purchase("B")]);
				await append([purchase("A", backend)]);
				expect((await outbox.stats()).discarded).toEqual({ duplicate_order: 1 });
				expect(await waits()).toHaveLength(2);
			});

			const unknown = { kind: "discarded", reason: "unknown_person" } as const;
			it("is taken where the untrusted one was discarded and never sent", async () => {
				const real = purchase("A", backend);
				await append([purchase("A")]);
				const [delivered] = await take(0, helpcrunch);
				if (delivered) await end(delivered, 0, 1);
				await end(await takeOne(0), 0, 1, unknown);
				await append([purchase("A")]);
				await append([real]);
				expect([await waits(), await waits(helpcrunch)]).toEqual([bodiesOf(real), []]);
				await append([purchase("A", backend), purchase("A", verified)]);
				expect([await waits(), await waits(helpcrunch)]).toEqual([bodiesOf(real), []]);
				expect((await outbox.stats()).discarded).toEqual({ duplicate_order: 3 });
				expect(await figures()).toEqual([
					["crisp", 1, 1, { unknown_person: 1 }],
					["helpcrunch", 0, 0, { duplicate_order: 1 }],
				]);
			});

			it("is taken where the untrusted one lapsed", async () => {
				const lapsing = { destinations: ["crisp"], exceptions: { crisp: { lapses: true } } };
				await append([purchase("A", lapsing)]);
				expect(await outbox.expire({ destination: crisp, before: Date.now() + 1, now: 0 })).toBe(1);
				const real = purchase("A", { ...backend, destinations: ["crisp"] });
				await append([real]);
				expect(await waits()).toEqual(bodiesOf(real));
			});

			it("is not taken if a request may have had the discarded purchase behind another event", async () => {
				await append([event("ada", "other"), purchase("A", { destinations: ["crisp"] })]);
				await outbox.settle({ lease: await takeOne(0), now: 0, failed: { dueAt: 0 } });
				await end(await takeOne(0), 0, 2, unknown);
				await append([purchase("A", { ...backend, destinations: ["crisp"] })]);
				expect(await waits()).toEqual([]);
			});

			it.each<[string, () => Promise<unknown>]>([
				["had failed before", async () => outbox.settle({ lease: await takeOne(0), now: 0, failed: { dueAt: 0 } })],
				[
					"was replayed from a dead letter",
					async () => {
						await end(await takeOne(0), 0, 1, { kind: "dead", reason: "x" });
						await outbox.replay({});
					},
				],
			])("is not taken if the discarded purchase %s", async (_, prepare) => {
				await append([purchase("A", { destinations: ["crisp"] })]);
				await prepare();
				await end(await takeOne(0), 0, 1, unknown);
				await append([purchase("A", { ...backend, destinations: ["crisp"] })]);
				expect(await waits()).toEqual([]);
				expect((await outbox.stats()).discarded).toEqual({ duplicate_order: 1 });
			});

			it("is taken where the untrusted one exceeded the limit of waiting events", async () => {
				const many = Array.from({ length: 500 }, (_, index) => event("ada", `many ${index}`));
				const other = event("ada", "other", { destinations: both, claims: [once("other")] });
				const [browser, real] = [purchase("A"), purchase("A", backend)];
				await append(many);
				const bobs = { ...event("bob", "bob's"), claims: [once("bob's"), once("bob's other")] };
				await append([bobs, other, browser]);
				expect(await figures()).toEqual([
					["crisp", 501, 2, { too_many_waiting: 2 }],
					["helpcrunch", 2, 1, {}],
				]);
				for (const lease of await take(0, helpcrunch)) await end(lease, 0, 2);
				await append([real]);
				expect((await waits()).slice(0, 2)).toEqual(bodiesOf(real, many[0] as NewEvent));
				expect(await waits(helpcrunch)).toEqual([]);
				await append([purchase("A", backend)]);
				expect(await waits()).toHaveLength(100);
				expect((await outbox.stats()).discarded).toEqual({ duplicate_order: 1 });
			});

			it("is not taken from a delivered one, although an earlier one was discarded before the person was forgotten", async () => {
				await append([purchase("A", { destinations: ["crisp"] })]);
				await end(await takeOne(0), 0, 1, unknown);
				await outbox.forget({ site: "site", people: ["ada"] });
				await append([purchase("A", { destinations: ["crisp"] })]);
				await end(await takeOne(0), 0, 1);
				await append([purchase("A", { ...backend, destinations: ["crisp"] })]);
				expect(await waits()).toEqual([]);
			});

			it("is not taken if its id or the order in the whole site is used", async () => {
				const bobs = purchase("A", backend);
				await append([purchase("A")]);
				await append([{ ...event("bob", "bobs"), ...backend, claims: bobs.claims.slice(2) }]);
				await append([purchase("A", backend)]);
				const again = purchase("B", backend);
				await append([purchase("B"), event("ada", "used", { claims: again.claims.slice(0, 1) })]);
				await append([again]);
				expect((await outbox.stats()).discarded).toEqual({ duplicate_order: 1, duplicate: 1 });
			});

			it("is taken where a rule makes purchases, too, but not where one was made of the order", async () => {
				const orders = both.map((destination) => ({ destination, orderId: "A" }));
				const claimsOf = (trusted: boolean, type = "confirmation") => {
					const facts = { id: randomUUID(), at: 0, person: { email: "ada@example.com" } };
					const of = type === "track" ? { type, name: "sold" } : { type, data: { orderId: "A" } };
					return claimsOfEvent({ event: { ...facts, ...of } as never, trusted, receivedAt: 5 }, "ada", orders);
				};
				const made = event("ada", "made", { destinations: ["helpcrunch"], claims: claimsOf(false, "track") });
				await append([{ ...made, claims: made.claims.filter(({ destination }) => destination !== "crisp") }]);
				await append([purchase("A", { claims: claimsOf(false) })]);
				const real = purchase("A", { ...backend, claims: claimsOf(true) });
				await append([real]);
				expect([await waits(), await waits(helpcrunch)]).toEqual([bodiesOf(real), ["made"]]);
				expect(await figures()).toEqual([
					["crisp", 1, 1, { duplicate_order: 1 }],
					["helpcrunch", 1, 1, { duplicate_order: 2 }],
				]);
			});

			it("is taken in the same way if both wait in the journal", async () => {
				const real = purchase("A", backend);
				await Promise.all([purchase("A"), real].map((each) => outbox.append({ site: "site", events: [each] })));
				await append([]);
				expect([await waits(), await waits(helpcrunch)]).toEqual([bodiesOf(real), bodiesOf(real)]);
			});
		});

		it("keeps opened e-mails 20 minutes apart, in whatever order they arrive", async () => {
			const minute = 60_000;
			const { accepted, all } = { accepted: [] as number[], all: [] as number[] };
			for (const start of [100, 75, 125, 40, 119, 121, 59, 60, 139, 140]) all.push(start);
			for (let index = 0; index < 200; index += 1) all.push(1_000 + ((index * 7_919) % 400));
			for (const time of all) if (accepted.every((other) => Math.abs(other - time) >= 20)) accepted.push(time);
			const open = (time: number) =>
				event("ada", String(time), {
					trusted: true,
					claims: claimsOfEvent(
						{
							event: { id: randomUUID(), type: "email_open", at: time * minute, person: { email: "ada@example.com" } },
							receivedAt: 0,
							trusted: true,
						},
						"ada",
					),
				});
			const half = all.length / 2;
			await append(all.slice(0, half).map(open));
			await append(all.slice(half).map(open));
			const { bodies } = await takeOne(0);
			expect(bodies.map(Number)).toEqual(accepted);
			expect(bodies.map(Number).slice(0, 4)).toEqual([100, 75, 125, 40]);
		});

		it("is exact under 50 concurrent batches", async () => {
			const claims = [once("same order")];
			await Promise.all(Array.from({ length: 50 }, (_, index) => append([event("ada", String(index), { claims })])));
			expect((await takeOne(0)).bodies).toHaveLength(1);
		});

		it("is deleted by the sweep once it has expired", async () => {
			const claims = [once("short", "duplicate", 50)];
			await append([event("ada", "1", { claims })]);
			await outbox.sweep({ now: 49, before: 0 });
			await append([event("ada", "2", { claims })]);
			await outbox.sweep({ now: 50, before: 0 });
			await append([event("ada", "3", { claims })]);
			expect((await takeOne(0)).bodies).toEqual(["1", "3"]);
		});
	});

	describe("the knowledge of a person", () => {
		it("comes with their next lease, even after their lane was empty", async () => {
			await append([event("ada", "1")]);
			const lease = await takeOne(0);
			expect(lease.known).toBeUndefined();
			await outbox.settle({ lease, now: 0, known: '{"id":7}', ended: { count: 1, ending: { kind: "delivered" } } });
			await append([event("ada", "2"), event("bob", "a")]);
			expect((await take(0)).map(({ known }) => known)).toEqual(['{"id":7}', undefined]);
		});
	});

	describe("a batch that was set aside", () => {
		/** Expiry of a claim that no store can keep, so that fan-out fails. */
		const unstorable = 1.5;
		const broken = (person: string, body: string) =>
			event(person, body, { claims: [{ ...once(`id ${++number}`, "duplicate", unstorable), ofPerson: true }] });
		const mend = `UPDATE journal SET head = replace(head, '${unstorable}', '15')`;
		/** SQL that violates the primary key of a bundle, if there is one. */
		const failsIfBundlesRemain = "INSERT INTO bundle SELECT * FROM bundle";
		const journalCounts = async () => {
			const { journal, stuck } = await outbox.stats();
			return { journal, stuck };
		};
		async function setAside(...events: NewEvent[]): Promise<void> {
			const before = await journalCounts();
			await outbox.append({ site: "site", events });
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: before.stuck + 1 });
		}

		it("is tried again when the store is opened next, and delivered if the cause is gone", async () => {
			await setAside(broken("ada", "1"), event("bob", "2"));
			await setAside(broken("ada", "3"));
			outbox = await reopen(mend);
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 0 });
			const leases = await take(0);
			expect(leases.map(({ person, bodies }) => [person, bodies])).toEqual([
				["ada", ["1", "3"]],
				["bob", ["2"]],
			]);
			for (const lease of leases) expect(await end(lease, 0, lease.bodies.length)).toBe("gone");
			expect(await outbox.stats()).toMatchObject({ events: 3, destinations: [{ delivered: 3, owed: 0 }] });
			outbox = await reopen();
			expect(await take(0)).toEqual([]);
		});

		it("is set aside again if the cause persists", async () => {
			await setAside(broken("ada", "1"));
			outbox = await reopen();
			await outbox.append({ site: "site", events: [event("ada", "2")] });
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 1 });
			expect((await takeOne(0)).bodies).toEqual(["2"]);
			outbox = await reopen(mend);
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 0 });
		});

		it("comes last in its lanes, as later events may be under way", async () => {
			await setAside(broken("ada", "1"));
			await append([event("ada", "2")]);
			outbox = await reopen(mend);
			// PostgreSQL skips a lane that fan-out has locked.
			const early = await vi.waitFor(() => takeOne(0));
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 0 });
			expect(early.bodies[0]).toBe("2");
			expect(await end(early, 0, 1)).toBe("remains");
			expect((await takeOne(0)).bodies).toEqual(["1"]);
		});

		it("is discarded if the same event was accepted meanwhile", async () => {
			const first = broken("ada", "1");
			await setAside(first);
			await append([{ ...first, claims: first.claims.map((claim) => ({ ...claim, until: 15 })) }]);
			outbox = await reopen(mend);
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 0 });
			expect((await outbox.stats()).discarded).toEqual({ duplicate: 1 });
			expect((await takeOne(0)).bodies).toEqual(["1"]);
		});

		it("is listed with the number of its events and the failure, the oldest first", async () => {
			expect(await outbox.listSetAside({ limit: 10 })).toEqual({ items: [] });
			const before = Date.now();
			await setAside(broken("ada", "1"), event("bob", "2"));
			await setAside(broken("ada", "3"));
			const { items } = await outbox.listSetAside({ limit: 10 });
			const item = { id: expect.stringMatching(/^\d+$/), site: "site", storedAt: expect.any(Number) };
			const reason = expect.stringMatching(/1\.5|REAL/);
			expect(items).toEqual([
				{ ...item, events: 2, reason },
				{ ...item, events: 1, reason },
			]);
			expect(Math.abs((items[0]?.storedAt ?? 0) - before)).toBeLessThan(60_000);
			const first = await outbox.listSetAside({ limit: 1 });
			expect(first).toEqual({ items: items.slice(0, 1), cursor: items[0]?.id });
			expect(await outbox.listSetAside({ limit: 1, cursor: first.cursor })).toEqual({ items: items.slice(1) });
		});

		it("is tried again when an operator says so, and comes last in its lanes", async () => {
			await setAside(broken("ada", "1"), event("bob", "2"));
			await setAside(broken("ada", "3"));
			const [mended, still] = (await outbox.listSetAside({ limit: 10 })).items.map(({ id }) => id);
			await append([event("bob", "later")]);
			await outbox.forget({ site: "site", people: ["ada"] });
			expect(await outbox.retrySetAside({ ids: [mended ?? ""] })).toBe(1);
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 1 });
			expect((await takeOne(0)).bodies).toEqual(["later", "2"]);
			expect((await outbox.listSetAside({ limit: 10 })).items).toMatchObject([{ id: still }]);
			expect(await outbox.retrySetAside({ ids: ["999999"] })).toBe(0);
			expect(await outbox.retrySetAside({})).toBe(1);
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 0 });
		});

		it("is set aside again, as often as it is tried, if the cause persists", async () => {
			await setAside(broken("ada", "1"));
			await setAside(broken("ada", "2"));
			let faults = 0;
			outbox.onFault((message) => {
				if (message.includes("is set aside")) faults += 1;
			});
			for (const times of [2, 4, 6]) {
				expect(await outbox.retrySetAside({})).toBe(2);
				await expect.poll(() => faults).toBe(times);
				await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 2 });
			}
			await append([event("ada", "3")]);
			expect((await takeOne(0)).bodies).toEqual(["3"]);
		});

		it("can be discarded: its events are counted, not delivered, and may be sent again", async () => {
			const first = event("bob", "2");
			await setAside(broken("ada", "1"), first);
			await setAside(broken("ada", "3"));
			await setAside(broken("ada", "4"));
			const { items } = await outbox.listSetAside({ limit: 10 });
			expect(await outbox.discardSetAside({ ids: [items[0]?.id ?? "", "999999"] })).toBe(1);
			expect((await outbox.listSetAside({ limit: 10 })).items).toEqual(items.slice(1));
			expect(await outbox.stats()).toMatchObject({ events: 2, discarded: { batch_discarded: 2 } });
			expect(await outbox.discardSetAside({})).toBe(2);
			expect(await outbox.stats()).toMatchObject({ stuck: 0, events: 4, discarded: { batch_discarded: 4 } });
			outbox = await reopen(failsIfBundlesRemain);
			await append([first]);
			outbox = await reopen(mend);
			expect((await take(0)).map(({ person, bodies }) => [person, bodies])).toEqual([["bob", ["2"]]]);
		});

		it("is listed and can be discarded even if it cannot be read", async () => {
			await append([event("ada", "0")]);
			await setAside(broken("ada", "1"), event("bob", "2"));
			outbox = await reopen("UPDATE journal SET head = '{ torn'");
			await append([event("ada", "3")]);
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 1 });
			const { items } = await outbox.listSetAside({ limit: 10 });
			expect(items).toMatchObject([{ events: 2, reason: expect.stringMatching(/JSON/) }]);
			expect(items[0]).not.toHaveProperty("site");
			expect(await outbox.discardSetAside({})).toBe(1);
			expect(await outbox.stats()).toMatchObject({ stuck: 0, events: 4 });
			const lease = await takeOne(0);
			expect(lease.bodies).toEqual(["0", "3"]);
			expect(await end(lease, 0, 2)).toBe("gone");
			outbox = await reopen(failsIfBundlesRemain);
		});

		it("is forgotten with its person", async () => {
			await setAside(broken("ada", "1"), event("bob", "2"));
			expect(await outbox.forget({ site: "site", people: ["ada"] })).toMatchObject([{ owed: 1 }]);
			outbox = await reopen(mend);
			await expect.poll(journalCounts).toEqual({ journal: 0, stuck: 0 });
			expect((await takeOne(0)).bodies).toEqual(["2"]);
		});
	});

	describe("a dead letter", () => {
		const rejected: Ending = { kind: "dead", reason: "invalid_data", message: "no", status: 400 };

		it("keeps event, destination, last status, reason and attempts, and its lane goes on", async () => {
			await append([event("ada", "1"), event("ada", "2")]);
			await outbox.settle({ lease: await takeOne(5), now: 5, failed: { dueAt: 6 } });
			await end(await takeOne(7), 7, 1, rejected);
			expect((await outbox.deadLetters({ limit: 10 })).items).toEqual([
				{
					id: expect.any(String),
					site: "site",
					destination: "crisp",
					body: "1",
					status: 400,
					reason: "invalid_data",
					message: "no",
					attempts: 2,
					firstAt: 5,
					lastAt: 7,
				},
			]);
			expect((await takeOne(8)).bodies).toEqual(["2"]);
		});

		it("goes last in its lane when replayed, and is no longer a dead letter", async () => {
			await append([event("ada", "1"), event("ada", "2")]);
			await end(await takeOne(0), 0, 1, rejected);
			expect(await outbox.replay({})).toBe(1);
			expect((await takeOne(1)).bodies).toEqual(["2", "1"]);
			expect((await outbox.deadLetters({ limit: 10 })).items).toEqual([]);
		});

		it("when replayed does not displace earlier events that are not fanned out yet", async () => {
			await append([event("ada", "dead")]);
			await end(await takeOne(0), 0, 1, rejected);
			const backlog = Array.from({ length: 300 }, () => Array.from({ length: 20 }, () => event("bob", "b")));
			const appended = backlog.map((events) => outbox.append({ site: "site", events }));
			appended.push(outbox.append({ site: "site", events: [event("ada", "new")] }));
			const replaying = outbox.replay({});
			let lease: Lease | undefined;
			while (!lease) lease = (await take(0)).find(({ person }) => person === "ada");
			await Promise.all([...appended, replaying]);
			await append([]);
			await end(lease, 0, lease.bodies.length);
			const [rest] = (await take(1)).filter(({ person }) => person === "ada");
			expect([...lease.bodies, ...(rest?.bodies ?? [])].sort()).toEqual(["dead", "new"]);
		});

		it("can be selected by id, destination or reason", async () => {
			for (const [person, reason] of Object.entries({ ada: "a", bob: "b", eve: "a" })) {
				await append([event(person, person)]);
				await end(await takeOne(0), 0, 1, { kind: "dead", reason });
			}
			const listed = async (selection: DeadLetterSelection) =>
				(await outbox.deadLetters({ limit: 10, ...selection })).items.map(({ body }) => body);
			const { items } = await outbox.deadLetters({ limit: 10 });
			const [ada] = items;
			expect(await listed({ reason: "a" })).toEqual(["ada", "eve"]);
			expect(await listed({ reason: "a", destination: "helpcrunch" })).toEqual([]);
			expect(await listed({ ids: items.slice(0, 2).map(({ id }) => id) })).toEqual(["ada", "bob"]);
			expect(await outbox.replay({ destination: "helpcrunch" })).toBe(0);
			expect(await outbox.replay({ ids: [ada?.id ?? ""], reason: "b" })).toBe(0);
			expect(await outbox.replay({ ids: [ada?.id ?? ""] })).toBe(1);
			expect(await outbox.discard({ destination: "crisp", reason: "a" })).toBe(1);
			expect((await outbox.deadLetters({ limit: 10 })).items.map(({ body }) => body)).toEqual(["bob"]);
		});

		it.each(["destination", "reason", "name"] as const)(
			"finds none by a %s that no text of a store is",
			async (part) => {
				for (const text of ["a\0b", "\ud800", "\ue000", "'; --", "x".repeat(100_000)])
					expect(await outbox.deadLetters({ limit: 10, [part]: text })).toEqual({ items: [] });
				expect(await outbox.discard({ people: ["email:a\0b", "userId:\ud800"] })).toBe(0);
			},
		);

		it("can be selected by people and by the event's name", async () => {
			const body = (what: object) => JSON.stringify({ event: what });
			const named = body({ type: "track", name: "sale" });
			const login = body({ type: "login", data: { name: "sale" } });
			// No person has a NUL, which ingest refuses, and at which some versions of Node end a text that they read.
			const odd = 'it\'s "odd" \\ \u26f4';
			for (const person of ["ada", "bob", odd])
				for (const each of [named, login]) {
					await append([event(person, each)]);
					await end(await takeOne(0), 0, 1, rejected);
				}
			const listed = async (selection: DeadLetterSelection) =>
				(await outbox.deadLetters({ limit: 10, ...selection })).items.map((each) => each.body);
			expect(await listed({ people: ["ada", "eve"] })).toEqual([named, login]);
			expect(await listed({ people: [odd], name: "login" })).toEqual([login]);
			expect(await listed({ people: [] })).toEqual([]);
			expect(await listed({ name: "sale" })).toEqual([named, named, named]);
			expect(await listed({ name: "sal" })).toEqual([]);
			expect(await outbox.discard({ people: ["ada"], name: "other" })).toBe(0);
			expect(await outbox.discard({ people: ["ada"], name: "login" })).toBe(1);
			expect(await outbox.replay({ name: "sale" })).toBe(3);
			expect(await listed({})).toEqual([login, login]);
		});

		it("is looked for among some hundred others at a time", async () => {
			const bodies = Array.from({ length: 1_300 }, (_, index) => JSON.stringify({ event: { name: `${index}` } }));
			await append(bodies.map((body) => event("ada", body, verified)));
			await outbox.settle({
				lease: (await outbox.take({ ...takeOptions, destination: crisp, now: 0 })).leases[0] as Lease,
				now: 0,
				ended: { count: bodies.length, ending: rejected },
			});
			for (const selection of [{ name: "1299" }, { name: "1299", people: ["ada"] }]) {
				const pages = [await outbox.deadLetters({ limit: 1, ...selection })];
				for (let cursor = pages[0]?.cursor; cursor !== undefined; cursor = pages.at(-1)?.cursor)
					pages.push(await outbox.deadLetters({ limit: 1, ...selection, cursor }));
				expect(pages.map(({ items }) => items.length)).toEqual([0, 0, 1]);
			}
			const names: string[] = [];
			let cursor: string | undefined;
			do {
				const page = await outbox.deadLetters({ limit: 300, cursor, newestFirst: true });
				names.push(...page.items.map(({ body }) => body));
				cursor = page.cursor;
			} while (cursor !== undefined);
			expect(names).toEqual(bodies.toReversed());
			const [first] = bodies;
			const old = { limit: 1, newestFirst: true, name: "0" };
			let found = await outbox.deadLetters(old);
			while (found.items.length === 0 && found.cursor)
				found = await outbox.deadLetters({ ...old, cursor: found.cursor });
			expect(found.items.map(({ body }) => body)).toEqual([first]);
			expect((await outbox.deadLetters({ limit: 1, reason: "other" })).items).toEqual([]);
			const { items } = await outbox.deadLetters({ limit: 500 });
			expect(items.map(({ body }) => body)).toEqual(bodies.slice(0, 500));
			const progress: number[] = [];
			expect(await outbox.discard({ name: "1299" }, (done) => progress.push(done))).toBe(1);
			expect(progress).toEqual([0, 0, 1]);
			expect(await outbox.replay({})).toBe(1_299);
		});

		it("keeps its history when it fails again after a replay", async () => {
			await append([event("ada", "1")]);
			await end(await takeOne(5), 5, 1, rejected);
			await outbox.replay({});
			await outbox.settle({ lease: await takeOne(10), now: 10, failed: { dueAt: 10 } });
			await end(await takeOne(20), 20, 1, { kind: "dead", reason: "other" });
			expect((await outbox.deadLetters({ limit: 10 })).items).toMatchObject([
				{ reason: "other", attempts: 3, firstAt: 5, lastAt: 20 },
			]);
		});

		it("can be selected by the time of its last attempt", async () => {
			for (const at of [10, 20, 30]) {
				await append([event("ada", String(at))]);
				await end(await takeOne(at), at, 1, rejected);
			}
			expect(await outbox.discard({ since: 20, before: 30 })).toBe(1);
			expect((await outbox.deadLetters({ limit: 10 })).items.map(({ body }) => body)).toEqual(["10", "30"]);
		});

		it("is listed in pages", async () => {
			await append(["1", "2", "3"].map((body) => event("ada", body)));
			await end(await takeOne(0), 0, 3, rejected);
			const first = await outbox.deadLetters({ limit: 2, destination: "crisp" });
			const second = await outbox.deadLetters({ limit: 2, ...(first.cursor && { cursor: first.cursor }) });
			expect([...first.items, ...second.items].map(({ body }) => body)).toEqual(["1", "2", "3"]);
			expect(second.cursor).toBeUndefined();
		});

		it("can be replayed by the thousand, in steps", async () => {
			const bodies = Array.from({ length: 1_200 }, (_, index) => String(index));
			await append(bodies.map((body) => event("ada", body, verified)));
			await outbox.settle({
				lease: (await outbox.take({ ...takeOptions, destination: crisp, now: 0 })).leases[0] as Lease,
				now: 0,
				ended: { count: bodies.length, ending: rejected },
			});
			const progress: number[] = [];
			expect(await outbox.replay({ reason: "invalid_data" }, (done) => progress.push(done))).toBe(1_200);
			expect(progress.length).toBeGreaterThan(1);
			expect(progress.at(-1)).toBe(1_200);
			const { leases } = await outbox.take({ ...takeOptions, destination: crisp, deliveries: 2_000, now: 1 });
			expect(leases[0]?.bodies).toEqual(bodies);
		});

		it("is deleted by the sweep once it is too old", async () => {
			await append([event("ada", "1")]);
			await end(await takeOne(100), 100, 1, rejected);
			await outbox.sweep({ now: 0, before: 100 });
			expect((await outbox.stats()).destinations[0]?.dead).toBe(1);
			await outbox.sweep({ now: 0, before: 101 });
			expect((await outbox.stats()).destinations[0]?.dead).toBe(0);
		});
	});

	describe("a report of a provider", () => {
		const report = (key: string, more: Partial<Report> = {}): Report => ({
			site: "site",
			claim: once(key),
			events: [],
			links: [],
			unlearn: [],
			now: 0,
			...more,
		});
		const plain = (each: NewEvent): ReportedEvent => ({ event: each, unless: [], marks: [] });
		const linked = async (alias: string, now = 0) =>
			(await outbox.linked({ destination: crisp, aliases: [alias], now })).get(alias);

		it("is received once, even if repeated concurrently and after a restart", async () => {
			const events = [plain(event("ada", "1"))];
			const same = Array.from({ length: 20 }, () => outbox.receive(report("signature", { events })));
			expect((await Promise.all(same)).filter(Boolean)).toHaveLength(1);
			outbox = await reopen();
			expect(await outbox.receive(report("signature", { events }))).toBe(false);
			await append([]);
			expect((await takeOne(0)).bodies).toEqual(["1"]);
		});

		it("changes nothing when it is repeated", async () => {
			const linkTo = (person: string) => ({ links: [{ destination: "crisp", alias: "session", person }] });
			expect(await outbox.receive(report("a", linkTo("ada")))).toBe(true);
			expect(await outbox.receive(report("a", linkTo("bob")))).toBe(false);
			expect(await linked("session")).toBe("ada");
			expect(await outbox.receive(report("b", linkTo("bob")))).toBe(true);
			expect(await linked("session")).toBe("bob");
		});

		it("counts events that no destination can address", async () => {
			await outbox.receive(report("a", { skipped: [{ destination: "crisp", reason: "not_addressable", count: 1 }] }));
			await append([]);
			expect((await outbox.stats()).destinations[0]?.discarded).toEqual({ not_addressable: 1 });
		});

		it("drops an event while its `unless` claim is held, and always takes the `marks` of the others", async () => {
			const mark = (key: string, at: number): Claim => ({
				key,
				reason: "echo",
				at,
				since: at,
				until: at + 10,
				ofPerson: true,
			});
			const reportAt = (body: string, at: number, unless: string, marks: string, person = "ada"): Report =>
				report(`${body} ${at} ${person}`, {
					events: [{ event: event(person, body), unless: [mark(unless, at)], marks: [mark(marks, at)] }],
				});
			for (const each of [
				reportAt("from a", 0, "b", "a"),
				reportAt("from a again", 1, "b", "a"),
				reportAt("echo from b", 10, "a", "b"),
				reportAt("of another", 10, "a", "b", "bob"),
				reportAt("from a after the echo", 10, "b", "a"),
				reportAt("from b", 20, "a", "b"),
			])
				expect(await outbox.receive(each)).toBe(true);
			await append([]);
			expect((await take(0)).map(({ bodies }) => bodies)).toEqual([
				["from a", "from a again", "from a after the echo", "from b"],
				["of another"],
			]);
			expect((await outbox.stats()).discarded).toEqual({ echo: 1 });
		});

		it("can delete the knowledge of a person at one destination, but none of their deliveries", async () => {
			await append([event("ada", "1", { destinations: ["crisp", "helpcrunch"] })]);
			const helpcrunch = { site: "site", name: "helpcrunch" };
			for (const destination of [crisp, helpcrunch]) {
				const [lease] = await take(0, destination);
				if (!lease) throw new Error("no lane");
				await outbox.settle({ lease, now: 0, known: "{}", aliases: ["profile"] });
			}
			await outbox.receive(report("gone", { unlearn: [{ destination: "crisp", person: "ada" }] }));
			expect(await takeOne(0)).toMatchObject({ known: undefined, bodies: ["1"] });
			expect((await take(0, helpcrunch))[0]).toMatchObject({ known: "{}", bodies: ["1"] });
			expect(await linked("profile")).toBeUndefined();
			const aliases = { destination: helpcrunch, aliases: ["profile"], now: 0 };
			expect(await outbox.linked(aliases)).toEqual(new Map([["profile", "ada"]]));
		});
	});

	describe("a link", () => {
		const linked = async (alias: string, now = 0) =>
			(await outbox.linked({ destination: crisp, aliases: [alias], now })).get(alias);
		const link = async (person: string, now = 0) => {
			await append([event(person, "1")]);
			const lease = (await take(now)).find((each) => each.person === person);
			if (!lease) throw new Error("no lane");
			await outbox.settle({ lease, now, aliases: [`profile of ${person}`] });
		};

		it("maps a destination's own name to a person, and is deleted with the person", async () => {
			await link("ada");
			await link("bob");
			expect(await linked("profile of ada")).toBe("ada");
			await outbox.forget({ site: "site", people: ["ada"] });
			expect([await linked("profile of ada"), await linked("profile of bob")]).toEqual([undefined, "bob"]);
		});

		const byUserId = (...aliases: string[]) =>
			outbox.linked({ destination: { site: "site", name: userIdLinks }, aliases, now: 0 });
		const linkUserIds = (links: Record<string, string>, site = "site") =>
			outbox.link({
				site,
				links: Object.entries(links).map(([alias, person]) => ({ destination: userIdLinks, alias, person })),
				now: 0,
			});

		it("can be stored by itself, replaces the link of the same alias, and is there after a restart", async () => {
			await linkUserIds({ "userId:1": "email:ada", "userId:2": "email:bob" });
			await linkUserIds({ "userId:1": "email:ada@new", "userId:3\0": "email:eve" });
			await linkUserIds({ "userId:1": "email:other" }, "another site");
			outbox = await reopen();
			expect(await byUserId("userId:1", "userId:2", "userId:3\0", "userId:4")).toEqual(
				new Map([
					["userId:1", "email:ada@new"],
					["userId:2", "email:bob"],
					["userId:3\0", "email:eve"],
				]),
			);
		});

		it("of a userId is deleted with the userId, and with the e-mail", async () => {
			await linkUserIds({ "userId:1": "email:ada", "userId:2": "email:bob", "userId:3": "email:eve" });
			await outbox.forget({ site: "site", people: ["userId:1"] });
			await outbox.forget({ site: "site", people: ["email:bob"] });
			expect(await byUserId("userId:1", "userId:2", "userId:3")).toEqual(new Map([["userId:3", "email:eve"]]));
		});

		it("of userIds can be stored by many at once, in any order", async () => {
			const ids = Array.from({ length: 50 }, (_, place) => `userId:${place}`);
			const all = (order: string[]) => linkUserIds(Object.fromEntries(order.map((id) => [id, `email:${id}`])));
			await Promise.all(Array.from({ length: 20 }, (_, turn) => all(turn % 2 ? ids : ids.toReversed())));
			expect((await byUserId(...ids)).size).toBe(50);
		});

		it("is deleted after a long time without use", async () => {
			const day = 86_400_000;
			await link("ada");
			await link("bob");
			await linked("profile of bob", 2 * day);
			await outbox.sweep({ now: 0, before: 1 });
			expect([await linked("profile of ada"), await linked("profile of bob")]).toEqual([undefined, "bob"]);
		});
	});

	describe("a forgotten person", () => {
		const forget = (...people: string[]) => outbox.forget({ site: "site", people });
		const both = { destinations: ["crisp", "helpcrunch"] };
		const helpcrunch = { site: "site", name: "helpcrunch" };
		const persons = async (destination = crisp) => (await take(1_000, destination)).map(({ person }) => person);

		it("loses all deliveries of the site, and nobody else loses any", async () => {
			await append([event("ada", "1", both), event("bob", "a", both), event("ada", "2")]);
			await append([event("ada", "other")], { site: "other" });
			const forgotten = await forget("ada");
			expect(forgotten.toSorted((a, b) => a.destination.localeCompare(b.destination))).toEqual([
				{ destination: "crisp", owed: 2, dead: 0, known: [] },
				{ destination: "helpcrunch", owed: 1, dead: 0, known: [] },
			]);
			expect([await persons(), await persons(helpcrunch)]).toEqual([["bob"], ["bob"]]);
			expect(await persons({ site: "other", name: "crisp" })).toEqual(["ada"]);
			const atCrisp = (await outbox.stats()).destinations.find((each) => each.destination.site === "site");
			expect(atCrisp).toMatchObject({ owed: 1, lanes: 1, discarded: { forgotten: 2 } });
		});

		it("loses all dead letters and knowledge", async () => {
			await append([event("ada", "1"), event("ada", "2"), event("bob", "a")]);
			const [ada, bob] = await take(0);
			if (!ada || !bob) throw new Error("two lanes expected");
			const dead = { count: 1, ending: { kind: "dead", reason: "no" } } as const;
			await outbox.settle({ lease: ada, now: 0, known: '{"id":7}', ended: dead });
			await outbox.settle({ lease: bob, now: 0, known: '{"id":8}', ended: dead });
			expect(await forget("ada")).toEqual([{ destination: "crisp", owed: 1, dead: 1, known: ['{"id":7}'] }]);
			expect((await outbox.deadLetters({ limit: 10 })).items.map(({ body }) => body)).toEqual(["a"]);
			expect((await outbox.stats()).destinations[0]?.dead).toBe(1);
			await append([event("ada", "3"), event("bob", "b")]);
			expect((await take(1)).map(({ known }) => known)).toEqual([undefined, '{"id":8}']);
		});

		it("does not come back through a lease that was under way", async () => {
			await append([event("ada", "1"), event("ada", "2")]);
			const lease = await takeOne(0);
			await forget("ada");
			const ending: Ending = { kind: "dead", reason: "no" };
			expect(await outbox.settle({ lease, now: 0, known: '{"id":7}', ended: { count: 1, ending } })).toBe("lost");
			await append([event("ada", "3")]);
			expect(await takeOne(0)).toMatchObject({ known: undefined, bodies: ["3"] });
			expect((await outbox.deadLetters({ limit: 10 })).items).toEqual([]);
		});

		it("is forgotten even if the batch is not fanned out yet", async () => {
			for (let n = 0; n < 20; n += 1) {
				await outbox.append({ site: "site", events: [event("bob", `a${n}`), event("ada", String(n), both)] });
				const forgotten = await forget("ada");
				expect(forgotten.map(({ owed }) => owed)).toEqual(expect.arrayContaining([1, 1]));
			}
			await append([]);
			expect((await take(0)).map(({ person, bodies }) => [person, bodies.length])).toEqual([["bob", 20]]);
			expect([await persons(helpcrunch), (await outbox.stats()).events]).toEqual([[], 40]);
		});

		it("loses their own claims, but copies of their events are still duplicates", async () => {
			const order = (id: string): Partial<NewEvent> => ({
				claims: [once(id), { ...once("order", "duplicate_order"), ofPerson: true }],
			});
			await append([event("ada", "1", order("first")), event("bob", "a", order("bob's"))]);
			await append([event("ada", "2", order("second"))]);
			await forget("ada");
			await append([event("ada", "1 again", order("first")), event("ada", "3", order("third"))]);
			await append([event("bob", "b", order("bob's other"))]);
			expect((await take(0)).map(({ bodies }) => bodies)).toEqual([["a"], ["3"]]);
		});

		it("leaves copies of their events duplicates even if the event was not fanned out yet", async () => {
			for (let n = 0; n < 20; n += 1) {
				const claims = [once(`copy ${n}`), { ...once("order"), ofPerson: true }];
				await outbox.append({ site: "site", events: [event("ada", "1", { claims })] });
				await forget("ada");
				await append([event("ada", "1 again", { claims: claims.slice(0, 1) })]);
			}
			expect(await take(0)).toEqual([]);
		});

		it("stays forgotten after a restart, and forgetting an unknown person changes nothing", async () => {
			await append([event("ada", "1")]);
			await forget("ada");
			outbox = await reopen();
			expect(await take(0)).toEqual([]);
			expect((await forget("ada", "eve")).every(({ owed, dead }) => owed + dead === 0)).toBe(true);
		});
	});

	describe("a search", () => {
		const helpcrunch = { site: "site", name: "helpcrunch" };
		const owed = async (people: string[], events?: string[], limit = 10) =>
			(await outbox.findOwed({ destinations: [crisp, helpcrunch], people, limit, ...(events && { events }) })).map(
				({ destination, body, ahead }) => [destination.name, body, ahead],
			);

		it("finds the events owed to a person at each destination, in order", async () => {
			await append([
				event("ada", "1", { destinations: ["crisp", "helpcrunch"] }),
				event("bob", "a"),
				event("ada", "2"),
			]);
			await append([event("ada", "3")], { site: "other" });
			expect(await owed(["ada"])).toEqual([
				["crisp", "1", 0],
				["crisp", "2", 1],
				["helpcrunch", "1", 0],
			]);
			expect(await owed(["ada"], undefined, 1)).toEqual([
				["crisp", "1", 0],
				["helpcrunch", "1", 0],
			]);
			expect(await owed(["eve"])).toEqual([]);
		});

		it("reports the state of the lane", async () => {
			await append([event("ada", "1")]);
			const look = () => outbox.findOwed({ destinations: [crisp], people: ["ada"], limit: 10 });
			const entry = { destination: crisp, person: "ada", body: "1", ahead: 0 };
			expect(await look()).toEqual([{ ...entry, state: "ready", attempts: 0 }]);
			const lease = await takeOne(100);
			expect(await look()).toEqual([{ ...entry, state: "leased", attempts: 0, dueAt: 1_100 }]);
			await outbox.settle({ lease, now: 100, failed: { dueAt: 500 } });
			expect(await look()).toEqual([{ ...entry, state: "waiting", attempts: 1, dueAt: 500 }]);
			await end(await takeOne(500), 500, 1);
			expect(await look()).toEqual([]);
		});

		it("finds owed events by a text in their body, and then their places in the lanes", async () => {
			await append([event("ada", "first needle"), event("bob", "hay"), event("ada", "hay"), event("ada", "a needle")]);
			const { events, cursor } = await outbox.findEvents({ text: "needle" });
			expect(events.map(({ body }) => body)).toEqual(["a needle", "first needle"]);
			expect(cursor).toBeUndefined();
			const [latest] = events;
			expect(await owed(["ada"], [latest?.id ?? ""])).toEqual([["crisp", "a needle", 2]]);
		});

		it("takes quotes and wildcards in a text literally", async () => {
			await append([event("ada", `{"a":"100%'_"}`), event("ada", `{"a":"100 percent"}`)]);
			expect((await outbox.findEvents({ text: `"100%'_"` })).events).toHaveLength(1);
		});

		it("goes through many events in steps", async () => {
			for (let batch = 0; batch < 12; batch += 1)
				await append(Array.from({ length: 100 }, (_, index) => event("ada", `${batch} ${index} needle`, verified)));
			const bodies = new Set<string>();
			let steps = 0;
			let cursor: string | undefined;
			do {
				const found = await outbox.findEvents({ text: " 7 needle", cursor });
				for (const { body } of found.events) bodies.add(body);
				cursor = found.cursor;
				steps += 1;
			} while (cursor !== undefined);
			expect(bodies.size).toBe(12);
			expect(steps).toBeGreaterThan(1);
		});
	});

	it("a step of a search ends after some bytes, too", async () => {
		const long = "x".repeat(200_000);
		for (let batch = 0; batch < 50; batch += 1) await append([event("ada", `${batch} needle ${long}`, backend)]);
		const first = await outbox.findEvents({ text: "needle" });
		expect(first.events.length).toBeLessThan(50);
		const second = await outbox.findEvents({ text: "needle", cursor: first.cursor });
		expect(second.cursor).toBeUndefined();
		expect(new Set([...first.events, ...second.events].map(({ body }) => body)).size).toBe(50);
	});

	describe("a discarded event", () => {
		it("is reported with the reason", async () => {
			const discardedEvents: Discarded[] = [];
			const stop = outbox.onDiscarded((discarded) => discardedEvents.push(...discarded));
			const claims = [once("same id", "seen before")];
			await append([event("ada", "1", { claims }), event("bob", "2")]);
			expect(discardedEvents).toEqual([]);
			await append([event("ada", "1 again", { claims })]);
			const key = keyOf("site", "ada", once("same id")).toString("hex");
			expect(discardedEvents).toEqual([{ site: "site", person: "ada", key, reason: "seen before" }]);
			stop();
			await append([event("ada", "1 again", { claims })]);
			expect(discardedEvents).toHaveLength(1);
		});
	});

	describe("a store of limited size", () => {
		const maxBytes = 2_097_152;
		beforeEach(async () => {
			outbox = await reopen("", { maxBytes });
		});
		/** Appends an event of 20 KB, which cannot be compressed to nothing. */
		const appendLarge = (body: string, more: Partial<NewEvent> = {}) =>
			outbox.append({ site: "site", events: [event(body, `${body} ${randomBytes(10_000).toString("hex")}`, more)] });
		/** Appends events until they are refused; resolves to their number. */
		async function fill(more: Partial<NewEvent> = {}): Promise<number> {
			for (let count = 0; count < 200; count += 1) {
				try {
					await appendLarge(`${more.trusted ? "backend" : "visitor"} ${count}`, more);
				} catch {
					return count;
				}
			}
			throw new Error("the store never refuses an event");
		}
		const dead = { kind: "dead", reason: "no" } as const;
		async function endAll(ending: Ending): Promise<void> {
			await vi.waitFor(async () => expect((await outbox.stats()).journal).toBe(0), { timeout: 30_000 });
			for (let leases = await take(0); leases.length > 0; leases = await take(0))
				for (const lease of leases) await end(lease, 0, lease.bodies.length, ending);
		}
		const deadNames = async () =>
			(await outbox.deadLetters({ limit: 500 })).items.map(({ body }) => body.slice(0, body.lastIndexOf(" ")));

		it("has its last fifth for trusted events and reports", async () => {
			const room = async () => (await outbox.stats()).room;
			expect(await room()).toMatchObject({ max: maxBytes, isFull: false });
			expect(await outbox.check()).toEqual({ isFull: false });
			const untrusted = await fill();
			expect(untrusted * 20_000).toBeGreaterThan(maxBytes * 0.4);
			expect(untrusted * 20_000).toBeLessThan(maxBytes * 0.8);
			await expect(appendLarge("visitor")).rejects.toThrow(/maxStoreBytes/);
			expect(await outbox.check()).toEqual({ isFull: true });
			expect(await room()).toMatchObject({ isFull: true });
			// Claims take less than an eighth of the store, so that none had to go.
			expect((await outbox.stats()).forgotten).toBe(0);
			const report = { site: "site", links: [], unlearn: [], now: 0 };
			const told = [{ event: event("reported", "x".repeat(1_000)), unless: [], marks: [] }];
			expect(await outbox.receive({ ...report, claim: once("report"), events: told })).toBe(true);
			expect((await fill(backend)) * 20_000).toBeGreaterThan(maxBytes * 0.1);
			await expect(outbox.check()).rejects.toThrow(/maxStoreBytes/);
			await expect(outbox.receive({ ...report, claim: once("late"), events: told })).rejects.toThrow(/maxStoreBytes/);
		});

		it("counts the lanes of many people, not only the bytes of their events", async () => {
			outbox = await reopen();
			const destinations = ["crisp", "helpcrunch", "vibetrace"];
			for (let batch = 0; batch < 60; batch += 1) {
				const people = Array.from({ length: 100 }, (_, place) => `email:somebody-${batch}-${place}@example.com`);
				await append(people.map((person) => event(person, "x", { destinations, claims: [] })));
			}
			outbox = await reopen("", { maxBytes });
			await expect(appendLarge("visitor")).rejects.toThrow(/maxStoreBytes/);
			expect((await outbox.stats()).room).toMatchObject({ isFull: true });
		});

		it("has room again for each of them once enough is delivered", async () => {
			await fill();
			await fill(backend);
			await endAll({ kind: "delivered" });
			await vi.waitFor(() => appendLarge("visitor"), { timeout: 30_000, interval: 100 });
			expect(await outbox.check()).toEqual({ isFull: false });
		});

		it("lets dead letters of untrusted events give way, the oldest first, and counts them", async () => {
			const faults: string[] = [];
			outbox.onFault((message) => faults.push(message));
			await appendLarge("kept", backend);
			for (let count = 0; count < 25; count += 1) await appendLarge(`old ${count}`);
			await endAll(dead);
			expect(await deadNames()).toHaveLength(26);
			const trusted = await fill(backend);
			expect(trusted * 20_000).toBeGreaterThan(maxBytes * 0.6);
			expect(await deadNames()).toEqual(["kept"]);
			const { destinations } = await outbox.stats();
			expect(destinations).toMatchObject([{ dead: 1, discarded: { store_full: 25 } }]);
			expect(faults.join()).toMatch(/dead letters .* deleted/);
		});

		it("takes more of visitors' events while their older dead letters can give way", async () => {
			for (let round = 0; round < 4; round += 1) {
				for (let count = 0; count < 25; count += 1) await appendLarge(`${round}.${count}`);
				await endAll(dead);
			}
			const left = await deadNames();
			expect(left.length).toBeGreaterThan(20);
			expect(left.length).toBeLessThan(90);
			expect(left.at(-1)).toBe("3.24");
			expect(left).toEqual(left.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)));
			expect(left).not.toContain("0.0");
		});

		it("lets what it remembers of delivered untrusted events give way, what ends soonest first, and counts it", async () => {
			outbox = await reopen();
			const ended = (claim: Claim, more: Partial<NewEvent> = {}) =>
				event("ada", "x", { destinations: [], claims: [claim], ...more });
			const later = once("order", "duplicate order", 20_000);
			const trusted = once("backend", "duplicate of the backend", 1_000);
			await append([ended(once("first", "duplicate", 2_000)), ended(later), ended(trusted, backend)]);
			const sold: Claim = { ...once("order\nA", "duplicate of a replacing one", 1_000), ofPerson: true };
			const purchase = JSON.stringify({ event: { type: "confirmation", id: "1", data: { orderId: "A" } } });
			await append([event("ada", purchase, { claims: [sold] })]);
			const replacing = { claims: [{ ...sold, replaces: true }], ...backend };
			await append([event("ada", "the backend's", replacing)]);
			expect((await takeOne(0)).bodies).toEqual(["the backend's"]);
			for (let batch = 0; batch < 80; batch += 1)
				await append(Array.from({ length: 500 }, () => ended(once(`id ${++number}`))));
			const faults: string[] = [];
			outbox = await reopen("", { maxBytes });
			outbox.onFault((message) => faults.push(message));
			await vi.waitFor(() => appendLarge("visitor"), { timeout: 20_000, interval: 20 });
			expect(faults.join()).toMatch(/remembered .* deleted/);
			const { forgotten } = await outbox.stats();
			expect(forgotten).toBeGreaterThan(1_000);
			expect(forgotten).toBeLessThan(40_000);
			const before = (await outbox.stats()).discarded;
			await append([ended(once("first", "duplicate", 2_000)), ended(later), ended(trusted, backend)]);
			await append([event("ada", "repeat", replacing)]);
			const { discarded } = await outbox.stats();
			const kept = { "duplicate order": 1, "duplicate of the backend": 1, "duplicate of a replacing one": 1 };
			expect({ ...before, ...kept }).toEqual(discarded);
		});

		it("lets what it remembers of people give way, unless it was used within the hour", async () => {
			outbox = await reopen();
			const people = Array.from({ length: 500 }, (_, place) => `p${place}`);
			await append(people.map((person) => event(person, "x", { claims: [] })));
			const now = Date.now();
			for (let leases = await take(now); leases.length > 0; leases = await take(now)) {
				for (const lease of leases) {
					const isNew = lease.person === "p0";
					const ending = { count: 1, ending: { kind: "delivered" } } as const;
					const [known, aliases] = [randomBytes(4_000).toString("hex"), [`session of ${lease.person}`]];
					await outbox.settle({ lease, now: isNew ? now : 0, ended: ending, known, aliases });
				}
			}
			outbox = await reopen("", { maxBytes });
			await vi.waitFor(() => appendLarge("visitor"), { timeout: 20_000, interval: 20 });
			expect((await outbox.stats()).forgotten).toBeGreaterThan(200);
			await append(["p0", "p1"].map((person) => event(person, "x")));
			const known = new Map((await take(now)).map((lease) => [lease.person, lease.known]));
			expect(known.get("p0")).toHaveLength(8_000);
			expect(known.get("p1")).toBeUndefined();
			const aliases = ["session of p0"];
			expect(await outbox.linked({ destination: crisp, aliases, now })).toEqual(new Map([["session of p0", "p0"]]));
		});
	});

	describe("stats", () => {
		it("report the size of the store on disk", async () => {
			const before = (await outbox.stats()).bytes;
			// Random text, which cannot be compressed to nothing.
			await append(Array.from({ length: 100 }, () => event("ada", randomBytes(10_000).toString("hex"))));
			expect((await outbox.stats()).bytes - before).toBeGreaterThan(500_000);
		});

		it("count owed, delivered and dead deliveries, and discarded ones by reason", async () => {
			await append([event("ada", "1"), event("ada", "2"), event("bob", "a"), event("eve", "x", { destinations: [] })], {
				skipped: [{ destination: "vibetrace", reason: "not_addressable", count: 2 }],
			});
			const [ada, bob] = await take(0);
			if (!ada || !bob) throw new Error("two lanes expected");
			await end(ada, 0, 1);
			await end(bob, 0, 1, { kind: "discarded", reason: "unknown_person" });
			const stats = await outbox.stats();
			expect(stats).toMatchObject({ journal: 0, events: 4 });
			expect(stats.destinations).toMatchObject([
				{ destination: crisp, owed: 1, lanes: 1, delivered: 1, dead: 0, discarded: { unknown_person: 1 } },
				{ destination: { name: "vibetrace" }, owed: 0, discarded: { not_addressable: 2 } },
			]);
		});
	});

	describe("after a restart", () => {
		it("every appended event is there exactly once", async () => {
			const claims = [once("same id")];
			await outbox.append({ site: "site", events: [event("ada", "1", { claims })] });
			outbox = await reopen();
			await append([event("ada", "2"), event("ada", "1 again", { claims })]);
			expect((await takeOne(0)).bodies).toEqual(["1", "2"]);
		});
	});
}
