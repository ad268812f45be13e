import { beforeEach, describe, expect, it } from "vitest";
import { createPurse } from "../../../server/delivery/budget.ts";
import { startFlow } from "../../../server/delivery/flow.ts";
import type { Advance } from "../../../server/outbox/budget-window.ts";
import type { Settlement, TakeRequest } from "../../../server/outbox/lease.ts";
import { contextOf, createLanes, delivered, running } from "./lanes.ts";

/** Expiry of the granted tokens, ms. */
const budgetEnds = 3_600_000;

describe("the flow", () => {
	let now: number;
	let timers: { at: number; ring(): void }[];
	/** Unanswered calls to the store and the provider. */
	let asked: { name: string; answer(): void }[];
	let takes: number;
	/** The `reservedOnly` of the last take. */
	let tookReserved: boolean;
	let lanes: ReturnType<typeof createLanes>;
	let budget: Advance;
	/** Delays the store's grants of tokens until it resolves. */
	let budgetKnown: Promise<void>;
	let heldUntil: number;
	/** Time until which the lanes of failed attempts wait; 0 if attempts succeed. */
	let failedUntil: number;
	let storeError: Error | undefined;
	let faults: unknown[];
	let flow: ReturnType<typeof startFlow>;
	beforeEach(() => {
		now = 0;
		timers = [];
		asked = [];
		takes = 0;
		tookReserved = false;
		lanes = createLanes();
		budget = { granted: 100, reservedOnly: false, until: budgetEnds, nextAt: 0 };
		budgetKnown = Promise.resolve();
		heldUntil = 0;
		failedUntil = 0;
		storeError = undefined;
		faults = [];
	});

	/** Resolves once all promise callbacks have run. */
	const rest = () => new Promise<void>((done) => setImmediate(done));
	function ask<Value>(name: string, value: Value | (() => Value)): Promise<Value> {
		return new Promise((resolve) => {
			asked.push({ name, answer: () => resolve(value instanceof Function ? value() : value) });
		});
	}
	/** Answers the oldest unanswered call with this name. */
	async function answer(name: string): Promise<void> {
		const index = asked.findIndex((each) => each.name === name);
		expect(index, `${name} among ${asked.map((each) => each.name)}`).toBeGreaterThanOrEqual(0);
		const [question] = asked.splice(index, 1);
		question?.answer();
		await rest();
	}
	const names = () => asked.map(({ name }) => name);
	/** Appends one event to each of these lanes. */
	async function append(...added: number[]): Promise<void> {
		for (const lane of added) lanes.add(lane);
		lanes.tell();
		await rest();
	}
	const range = (count: number) => Array.from({ length: count }, (_, index) => index);
	async function passUntil(time: number): Promise<void> {
		now = time;
		for (const timer of timers.splice(0)) {
			if (timer.at <= now) timer.ring();
			else timers.push(timer);
		}
		await rest();
	}

	/** Starts the flow. A shared store applies a settlement only when it answers. */
	async function start(isShared = false): Promise<void> {
		const outbox = {
			isShared,
			onReady: lanes.onReady,
			take(request: TakeRequest) {
				takes += 1;
				tookReserved = request.reservedOnly;
				return storeError ? Promise.reject(storeError) : ask("take", lanes.take(request));
			},
			settle: (settlement: Settlement) =>
				isShared ? ask("settle", () => lanes.settle(settlement)) : ask("settle", lanes.settle(settlement)),
			async advance() {
				await budgetKnown;
				return budget;
			},
		};
		const context = contextOf({
			outbox,
			now: () => now,
			retryMs: 1_000,
			notify: (notice) => notice.kind === "fault" && faults.push(notice.error),
		});
		flow = startFlow(context, {
			purse: createPurse(context),
			hold: { ...running, until: () => heldUntil },
			endPause: async () => {},
			startTimer(ring, ms) {
				const timer = { ring, at: now + ms };
				timers.push(timer);
				return () => void timers.splice(timers.indexOf(timer), 1);
			},
			attempt: (lease) =>
				ask("attempt", () => {
					if (failedUntil === 0) return delivered(lease, now);
					return { settlement: { lease, now, failed: { dueAt: failedUntil } }, isSent: true };
				}),
		});
		await rest();
	}
	/** Starts with an empty store, and waits until the flow sleeps. */
	async function startIdle(isShared = false): Promise<void> {
		await start(isShared);
		await answer("take");
		takes = 0;
	}

	describe.each([
		["a store of its own", false],
		["a shared store", true],
	])("with %s", (_, isShared) => {
		it.each([1, 100])("calls take once for each event of a lane if the budget grants %d at a time", async (granted) => {
			budget = { ...budget, granted };
			await startIdle(isShared);
			await append(1);
			while (asked.length > 0) await answer(names()[0] ?? "");
			expect([lanes.owed(), takes]).toEqual([0, 1]);
			await append(2, 2, 2);
			while (asked.length > 0) await answer(names()[0] ?? "");
			expect([lanes.owed(), takes]).toEqual([0, 4]);
		});

		it("takes a lane that failed only once it is due", async () => {
			failedUntil = 700;
			await startIdle(isShared);
			await append(1);
			for (const name of ["take", "attempt", "settle"]) await answer(name);
			await passUntil(699);
			expect([names(), takes]).toEqual([[], 1]);
			await passUntil(700);
			await answer("take");
			expect(names()).toEqual(["attempt"]);
		});

		it("finds an event appended during a take that finds nothing", async () => {
			await start(isShared);
			await append(1);
			await answer("take");
			await answer("take");
			expect(names()).toEqual(["attempt"]);
		});

		it("finds an event appended while its lane is being settled", async () => {
			await startIdle(isShared);
			await append(1);
			await answer("take");
			await answer("attempt");
			await append(1);
			await answer("settle");
			while (!names().includes("attempt")) await answer("take");
			expect(lanes.owed()).toBe(1);
		});

		it("begins four requests at once, even if the budget grants one token at a time", async () => {
			budget = { ...budget, granted: 1 };
			await startIdle(isShared);
			await append(...range(6));
			while (names().includes("take")) await answer("take");
			expect(names()).toEqual(["attempt", "attempt", "attempt", "attempt"]);
		});

		it("begins another lane's request while a settlement waits for the disk", async () => {
			await startIdle(isShared);
			await append(...range(6));
			await answer("take");
			await answer("attempt");
			while (names().includes("take")) await answer("take");
			expect(names().toSorted()).toEqual(["attempt", "attempt", "attempt", "attempt", "settle"]);
		});

		it("begins at most eight unsettled requests, and another one after the first settlement", async () => {
			await startIdle(isShared);
			await append(...range(12));
			while (names().some((name) => name !== "settle")) await answer(names().find((name) => name !== "settle") ?? "");
			expect(names()).toEqual(range(8).map(() => "settle"));
			await answer("settle");
			while (names().includes("take")) await answer("take");
			expect(names().toSorted()).toEqual(["attempt", ...range(7).map(() => "settle")]);
		});

		it("begins other requests beside slow ones, in the end only for the backend, and all others later", async () => {
			await startIdle(isShared);
			await append(...range(40));
			const attempts = () => names().filter((name) => name === "attempt").length;
			const begun: number[] = [];
			for (let at = 0; !tookReserved; at += 1_000) {
				await passUntil(at);
				while (names().includes("take") && !tookReserved) await answer("take");
				begun.push(attempts());
			}
			expect(new Set(begun)).toEqual(new Set([4, 8, 12, 16, 20, 24, 28]));
			while (names().includes("take")) await answer("take");
			failedUntil = 0;
			while (asked.length > 0) await answer(names()[0] ?? "");
			expect([lanes.owed(), tookReserved]).toEqual([0, false]);
		});

		it("takes nothing while the budget is empty, and sends events appended meanwhile once it refills", async () => {
			budget = { ...budget, granted: 0, nextAt: 500 };
			await start(isShared);
			await append(1);
			await passUntil(499);
			expect(names()).toEqual([]);
			budget = { ...budget, granted: 100 };
			await passUntil(500);
			await answer("take");
			expect(names()).toEqual(["attempt"]);
		});

		it("takes nothing while the destination is held, and sends events appended meanwhile once the hold ends", async () => {
			await startIdle(isShared);
			heldUntil = 500;
			await append(1);
			await passUntil(499);
			expect(names()).toEqual([]);
			await passUntil(500);
			await answer("take");
			expect(names()).toEqual(["attempt"]);
		});

		it("gives back a lane if a hold began during its take, and takes it again when the hold ends", async () => {
			await startIdle(isShared);
			await append(1);
			heldUntil = 500;
			await answer("take");
			expect(names()).toEqual(["settle"]);
			await answer("settle");
			await passUntil(500);
			await answer("take");
			expect(names()).toEqual(["attempt"]);
		});
	});

	it("takes nothing if a hold began while the budget granted tokens", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		budgetKnown = promise;
		await start();
		heldUntil = 500;
		resolve();
		await rest();
		expect(names()).toEqual([]);
		await passUntil(500);
		expect(names()).toEqual(["take"]);
	});

	it("gives back lanes leased ahead when the budget is spent", async () => {
		await startIdle();
		await append(...range(8));
		await answer("take");
		// Unspent tokens expire with their window.
		budget = { ...budget, granted: 0, nextAt: 9_000, until: 10_000 };
		now = budgetEnds;
		await answer("attempt");
		expect(names().toSorted()).toEqual(["attempt", "attempt", "attempt", ...range(5).map(() => "settle")]);
	});

	it("takes a waiting lane once it is due", async () => {
		await startIdle();
		lanes.add(1);
		const [lease] = lanes.take({ lanes: 1, now } as TakeRequest).leases;
		if (lease) lanes.settle({ lease, now, failed: { dueAt: 700 } });
		await append();
		await answer("take");
		await passUntil(699);
		expect(names()).toEqual([]);
		await passUntil(700);
		await answer("take");
		expect(names()).toEqual(["attempt"]);
	});

	it("takes again after a quiet minute, as another process may have died before it announced a lane", async () => {
		await startIdle(true);
		lanes.add(1);
		await passUntil(60_000);
		await answer("take");
		expect(names()).toEqual(["attempt"]);
	});

	it("takes again a second after the store has failed", async () => {
		await startIdle();
		storeError = new Error("disk full");
		await append(1);
		expect(faults).toEqual([storeError]);
		storeError = undefined;
		await passUntil(999);
		expect(names()).toEqual([]);
		await passUntil(1_000);
		await answer("take");
		expect(names()).toEqual(["attempt"]);
	});

	it("finishes begun requests when it is stopped, gives the other lanes back, and takes no more", async () => {
		await startIdle();
		await append(...range(8));
		await answer("take");
		const stopped = flow.stop();
		await rest();
		while (asked.length > 0) await answer(names()[0] ?? "");
		await stopped;
		expect([lanes.owed(), takes]).toEqual([4, 1]);
	});

	it("gives back lanes that a take returns after the stop", async () => {
		await startIdle();
		await append(1);
		const stopped = flow.stop();
		await answer("take");
		expect(names()).toEqual(["settle"]);
		await answer("settle");
		await stopped;
	});

	it("resolves quiet() once it has given back the people's lanes and ended their requests", async () => {
		await startIdle();
		await append(...range(8));
		await answer("take");
		let isQuiet = false;
		const quiet = flow.quiet(["person 0", "person 7"]).then(() => {
			isQuiet = true;
		});
		await rest();
		expect(names()).toEqual(["attempt", "attempt", "attempt", "attempt", "settle"]);
		await answer("settle");
		expect(isQuiet).toBe(false);
		await answer("attempt");
		await answer("settle");
		await quiet;
	});
});
