import { beforeEach, describe, expect, it } from "vitest";
import { createAttempts } from "../../../server/delivery/attempt.ts";
import type { GroupHold } from "../../../server/delivery/group-hold.ts";
import type { Lease } from "../../../server/outbox/outbox.ts";
import type { Known, Outcome, Plan, Provider } from "../../../server/providers/provider.ts";
import { contextOf, createLanes, running } from "./lanes.ts";

describe("an attempt", () => {
	let plan: (known: Known) => Plan;
	let outcome: Outcome;
	let isHeld: boolean;
	let isProbing: boolean;
	/** True if this process sends the probe. */
	let isOurProbe: boolean;
	/** True if the provider's own probe succeeds. */
	let isWell: boolean;
	/** False if the provider has no probe. */
	let hasProbe: boolean;
	let aborting: AbortController;
	let faults: unknown[];
	/** Number of answers reported to the hold. */
	let reported: number;
	beforeEach(() => {
		plan = () => ({
			kind: "send",
			request: { purpose: "event", method: "POST", path: [], ifDelivered: {} },
			settles: 1,
			covers: 1,
		});
		outcome = { kind: "delivered", known: {} };
		isHeld = true;
		isProbing = false;
		isOurProbe = false;
		isWell = false;
		hasProbe = true;
		aborting = new AbortController();
		faults = [];
		reported = 0;
	});

	function leaseOf(): Lease {
		const lanes = createLanes();
		lanes.add(1);
		const [lease] = lanes.take({ lanes: 1, now: 0 } as Parameters<typeof lanes.take>[0]).leases;
		if (!lease) throw new Error("no lane is ready");
		return lease;
	}
	function start() {
		const provider: Partial<Provider> = {
			plan: (_events, known) => plan(known),
			send: async () => outcome,
			hooks: {
				check: () => undefined,
				read: () => undefined,
				aliases: ({ session }) => (typeof session === "string" ? [session] : []),
			},
		};
		const hold: GroupHold = {
			...running,
			probing: () => isProbing,
			probe: async () => isOurProbe,
			async tell() {
				reported += 1;
			},
		};
		const context = contextOf({
			provider,
			outbox: { isHeld: () => isHeld },
			now: () => 5,
			signal: aborting.signal,
			notify: (notice) => notice.kind === "fault" && faults.push([notice.message, notice.error]),
		});
		return createAttempts(context, hold, {
			sent: () => 0,
			exists: hasProbe,
			succeeds: async () => isWell,
			endPause: async () => {},
		});
	}

	it("lets a lane wait for an event worth a profile, at no cost and without a step", async () => {
		plan = () => ({ kind: "await", until: 9_000 });
		const { attempt, sent } = start();
		const { settlement, ...rest } = await attempt(leaseOf());
		expect(settlement).toMatchObject({ awaitedTo: 9_000, isOnTheWay: true });
		expect([rest, sent(), reported]).toEqual([{ isSent: false }, 0, 0]);
	});

	it("plans another request of an event of which one was refused", async () => {
		outcome = { kind: "rejected", reason: "invalid_data", known: { doubt: {} }, isAgain: true };
		const { settlement } = await start().attempt(leaseOf());
		expect(settlement).toMatchObject({ known: '{"doubt":{}}', isOnTheWay: true, sent: true });
		expect(settlement.ended).toBeUndefined();
		const often = await start().attempt({ ...leaseOf(), requests: 15 });
		expect(often.settlement).toMatchObject({ ended: { ending: { kind: "dead", reason: "invalid_data" } } });
	});

	it("settles the lease, reports to the hold, and links learnt aliases to the person when it delivers", async () => {
		outcome = { kind: "delivered", known: { session: "session_1" } };
		const { attempt, sent } = start();
		expect(await attempt(leaseOf())).toMatchObject({
			settlement: { now: 5, ended: { count: 1, ending: { kind: "delivered" } }, aliases: ["session_1"] },
			isSent: true,
			step: { events: [{}], result: { outcome, ms: 0 } },
		});
		expect([sent(), reported, faults]).toEqual([1, 1, []]);
	});

	it("gives up all events of a request that has failed for three days", async () => {
		plan = () => ({
			kind: "send",
			request: { purpose: "event", method: "POST", path: [], ifDelivered: {} },
			settles: 3,
			covers: 3,
		});
		outcome = { kind: "retry", reason: "http_500", status: 500 };
		const { attempt } = start();
		const failing = (ms: number) => ({ ...leaseOf(), attempts: 9, failingSince: 5 - ms });
		const { settlement } = await attempt(failing(3 * 86_400_000));
		expect(settlement.ended).toEqual({ count: 3, ending: { kind: "dead", reason: "http_500", status: 500 } });
		expect((await attempt(failing(3 * 86_400_000 - 1))).settlement.ended).toBeUndefined();
	});

	it("sends nothing for a lease that may have been lost", async () => {
		isHeld = false;
		const { attempt, sent } = start();
		const lease = leaseOf();
		expect(await attempt(lease)).toEqual({ settlement: { lease, now: 5 }, isSent: false });
		expect([sent(), reported]).toEqual([0, 0]);
	});

	it("sends nothing while another process probes the destination", async () => {
		isProbing = true;
		const { attempt, sent } = start();
		const { settlement, isSent } = await attempt(leaseOf());
		expect([settlement.ended, settlement.failed, isSent, sent(), reported]).toEqual([
			undefined,
			undefined,
			false,
			0,
			0,
		]);
	});

	it("counts neither against the delivery nor against the destination when a shutdown aborts it", async () => {
		outcome = { kind: "retry", reason: "network" };
		const { attempt } = start();
		const lease = leaseOf();
		aborting.abort();
		const { settlement, isSent } = await attempt(lease);
		expect([settlement, isSent, reported]).toEqual([{ lease, now: 5 }, true, 0]);
	});

	it("makes a dead letter when planning fails, and reports only the name of the error", async () => {
		plan = () => {
			throw new TypeError("ada@example.com has no length");
		};
		const { attempt } = start();
		const { settlement, step } = await attempt(leaseOf());
		expect(settlement.ended).toEqual({ count: 1, ending: { kind: "dead", reason: "internal_error" } });
		expect(step).toBeUndefined();
		expect(faults).toEqual([["a delivery could not be planned", "TypeError"]]);
	});

	it("counts a refusal against the event if the provider's own probe succeeds, up to five attempts", async () => {
		outcome = { kind: "paused", reason: "http_403", status: 403 };
		isWell = true;
		const { attempt } = start();
		const { settlement } = await attempt(leaseOf());
		expect(settlement).toMatchObject({ failed: { dueAt: expect.any(Number) } });
		const last = async () => (await attempt({ ...leaseOf(), attempts: 4, failingSince: 1 })).settlement;
		// Nothing shows yet that others are accepted: a right may be missing that the probe does not need.
		expect((await last()).ended).toBeUndefined();
		const refusal = outcome;
		outcome = { kind: "delivered", known: {} };
		await attempt({ ...leaseOf(), lane: 2 });
		outcome = refusal;
		const ending = { kind: "dead", reason: "http_403", status: 403 };
		expect((await last()).ended).toEqual({ count: 1, ending });
	});

	it("counts no refusal against the event if the probe fails as well", async () => {
		outcome = { kind: "paused", reason: "http_403", status: 403 };
		const { settlement } = await start().attempt(leaseOf());
		expect([settlement.failed, settlement.ended]).toEqual([undefined, undefined]);
	});

	it("without a probe counts a refusal against the event until three people in a row have met it", async () => {
		outcome = { kind: "paused", reason: "http_401", status: 401 };
		hasProbe = false;
		const { attempt } = start();
		const of = async (person: string) => (await attempt({ ...leaseOf(), person })).settlement;
		for (const person of ["ada", "bob", "bob"]) expect((await of(person)).failed).toBeDefined();
		// After the pause, another person's event is tried first.
		for (const person of ["eve", "ada"]) {
			const { postponedTo, failed, ended } = await of(person);
			expect([postponedTo, failed, ended]).toEqual([1_005, undefined, undefined]);
		}
		const refusal = outcome;
		outcome = { kind: "delivered", known: {} };
		await of("fay");
		outcome = refusal;
		expect((await of("eve")).failed).toBeDefined();
	});

	it("stores what is learnt from an answer of any kind", async () => {
		const known = { step: 1 };
		for (const kind of ["retry", "wait", "paused", "rejected"] as const) {
			outcome = { kind, reason: "own", known };
			expect((await start().attempt(leaseOf())).settlement.known).toBe(JSON.stringify(known));
		}
	});

	it("tries again as late as the answer says", async () => {
		outcome = { kind: "retry", reason: "http_503", forMs: 60_000 };
		expect((await start().attempt(leaseOf())).settlement.failed).toMatchObject({ dueAt: 60_005 });
	});

	it("sends half as many updates next if several are refused as one request", async () => {
		plan = () => ({
			kind: "send",
			request: { purpose: "update", method: "POST", path: [], ifDelivered: {} },
			settles: 5,
			covers: 5,
		});
		outcome = { kind: "paused", reason: "http_403", status: 403 };
		isWell = true;
		expect((await start().attempt(leaseOf())).settlement).toMatchObject({ narrowTo: 3 });
	});

	it("postpones other lanes that need a creation while creations are held, without counting an attempt", async () => {
		plan = () => ({
			kind: "send",
			request: { purpose: "create", method: "POST", path: [], ifDelivered: {} },
			settles: 0,
			covers: 1,
		});
		outcome = { kind: "paused", reason: "not_allowed", status: 403 };
		isWell = true;
		const { attempt, sent, creationHold } = start();
		expect((await attempt(leaseOf())).settlement).toMatchObject({ failed: { dueAt: expect.any(Number) } });
		expect(await attempt(leaseOf())).toMatchObject({ settlement: { postponedTo: 30_005 }, isSent: false });
		expect((await attempt({ ...leaseOf(), attempts: 1 })).settlement).toMatchObject({ postponedTo: 35_005 });
		expect([sent(), creationHold()]).toEqual([1, { reason: "not_allowed", until: 30_005 }]);
	});

	it("takes refusals of very many people in a row for one of the account", async () => {
		outcome = { kind: "paused", reason: "http_403", status: 403 };
		isWell = true;
		const { attempt } = start();
		const settlements = [];
		for (let lane = 0; lane < 31; lane += 1) settlements.push((await attempt({ ...leaseOf(), lane })).settlement);
		expect(settlements.filter(({ failed }) => failed)).toHaveLength(29);
	});

	it("lets another lane go first after a limit", async () => {
		outcome = { kind: "wait", reason: "http_429", status: 429 };
		expect((await start().attempt(leaseOf())).settlement).toMatchObject({ postponedTo: 1_005 });
	});

	describe("at a limit that names no time", () => {
		const limit = { kind: "wait", reason: "http_429", status: 429 } as const;
		/** Attempts of two lanes; `limited` is answered with a limit, `other` is delivered. */
		function startTwo() {
			const { attempt } = start();
			const of = (lane: number, answer: Outcome, more = {}) => {
				outcome = answer;
				return attempt({ ...leaseOf(), lane, ...more });
			};
			return {
				limited: async (lane = 1, more = {}) => (await of(lane, limit, more)).settlement,
				other: () => of(2, { kind: "delivered", known: {} }),
			};
		}

		it("counts an attempt of the lane if others are accepted, the lane is limited again and the probe succeeds", async () => {
			isWell = true;
			const { limited, other } = startTwo();
			expect((await limited()).failed).toBeUndefined();
			expect((await limited()).failed).toBeUndefined();
			await other();
			expect((await limited()).failed).toMatchObject({ dueAt: expect.any(Number) });
			await other();
			const ending = { kind: "dead", reason: "http_429", status: 429 };
			expect((await limited(1, { attempts: 4, failingSince: 1 })).ended).toEqual({ count: 1, ending });
			// From now on a limit is doubted at once, until many lanes in a row have met one.
			const settlements = [];
			for (let lane = 10; lane < 41; lane += 1) settlements.push(await limited(lane));
			expect(settlements.findIndex(({ failed }) => !failed)).toBe(28);
			expect(settlements[30]?.failed).toBeUndefined();
		});

		it("waits for all if the probe fails", async () => {
			const { limited, other } = startTwo();
			await limited();
			await other();
			expect((await limited()).failed).toBeUndefined();
		});

		it("without a probe counts an attempt if others are accepted meanwhile, and never gives the event up for it", async () => {
			hasProbe = false;
			isProbing = true;
			isOurProbe = true;
			const { limited, other } = startTwo();
			expect((await limited()).failed).toBeUndefined();
			expect((await limited()).failed).toBeUndefined();
			await other();
			expect((await limited()).failed).toMatchObject({ dueAt: expect.any(Number) });
			await other();
			expect((await limited(1, { attempts: 9, failingSince: 1 })).ended).toBeUndefined();
			expect((await limited(7)).failed).toBeUndefined();
		});

		it("doubts it after a wait, at any lane", async () => {
			isWell = true;
			isProbing = true;
			isOurProbe = true;
			expect((await startTwo().limited(7)).failed).toMatchObject({ dueAt: expect.any(Number) });
		});
	});

	it("believes a limit that names a time, and waits as long if it is of one lane alone", async () => {
		isWell = true;
		isProbing = true;
		isOurProbe = true;
		outcome = { kind: "wait", reason: "http_429", status: 429, forMs: 20_000 };
		const { attempt } = start();
		expect((await attempt(leaseOf())).settlement).toMatchObject({ postponedTo: 1_005 });
		outcome = { kind: "delivered", known: {} };
		await attempt({ ...leaseOf(), lane: 2 });
		outcome = { kind: "wait", reason: "http_429", status: 429, forMs: 20_000 };
		expect((await attempt(leaseOf())).settlement).toMatchObject({ failed: { dueAt: 21_005 } });
	});

	it("ends a wait whose first request gets no answer, if the probe succeeds", async () => {
		isProbing = true;
		isOurProbe = true;
		outcome = { kind: "retry", reason: "timeout" };
		await start().attempt(leaseOf());
		expect(reported).toBe(1);
		isWell = true;
		await start().attempt(leaseOf());
		expect(reported).toBe(3);
	});
});
