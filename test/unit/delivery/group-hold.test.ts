import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createGroupHold, type GroupHold } from "../../../server/delivery/group-hold.ts";
import type { Hold } from "../../../server/delivery/hold.ts";
import type { DestinationState } from "../../../server/delivery/state.ts";
import type { Outbox } from "../../../server/outbox/outbox.ts";
import { openSqlite } from "../../../server/outbox/sqlite/open.ts";
import type { PlannedRequest } from "../../../server/providers/provider.ts";
import { temporaryFolder } from "../../support/served.ts";
import { contextOf, destination } from "./lanes.ts";

describe("a hold shared by several processes", () => {
	let outbox: Outbox;
	let folder: ReturnType<typeof temporaryFolder>;
	let states: DestinationState[];
	let now: number;
	beforeEach(async () => {
		folder = temporaryFolder();
		outbox = await openSqlite(`${folder.path}/store.db`);
		states = [];
		now = 0;
	});
	afterEach(async () => {
		await outbox.close();
		folder.remove();
	});

	const probe = { purpose: "probe", method: "GET", path: [], ifDelivered: {} } as const;
	const joinGroup = (probes: { probe?: PlannedRequest } = { probe }): GroupHold =>
		createGroupHold(
			contextOf({
				outbox,
				provider: { allowance: { requests: 10_000, per: "day" }, ...probes },
				now: () => now,
				notify: (notice) => notice.kind === "state" && states.push(notice.state),
			}),
		);
	/** Learns the stored hold, as a process does before each request. */
	async function look(hold: GroupHold): Promise<void> {
		const known = hold.stored();
		const { hold: found } = await outbox.take({
			destination,
			lanes: 1,
			deliveries: 1,
			served: 0,
			reservedOnly: false,
			hold: known,
			holding: [],
			now,
			leaseMs: 1,
		});
		hold.seen(known, found);
	}
	const limited = (hold: Hold) => hold.wait("quota", 60_000, now);
	const refused = (hold: Hold) => hold.pause("invalid_session", now);
	const answered = (hold: Hold) => hold.answered(now);

	it("is no pause that a probe ends where there is no probe: the next event ends it", async () => {
		const [with_, without] = [joinGroup(), joinGroup({})];
		await with_.tell(refused, false);
		await look(without);
		expect([with_.isPaused(), without.isPaused(), without.probing()]).toEqual([true, false, true]);
	});

	it("is set by one process and known to all before their next request", async () => {
		const [ada, bob] = [joinGroup(), joinGroup()];
		await ada.tell(limited, false);
		await look(bob);
		expect([ada.until(), bob.until()]).toEqual([60_000, 60_000]);
		expect(bob.state()).toMatchObject({ kind: "waiting", reason: "quota" });
	});

	it("is probed by one process, and all run again once the probe is answered", async () => {
		const holds = [joinGroup(), joinGroup(), joinGroup()];
		await holds[0]?.tell(limited, false);
		for (const each of holds) await look(each);
		now = 60_000;
		expect((await Promise.all(holds.map((each) => each.probe()))).filter(Boolean)).toHaveLength(1);
		expect(holds.map((each) => each.until() > now)).toEqual([true, true, true]);
		await holds[0]?.tell(answered, true);
		for (const each of holds) await look(each);
		expect(holds.map((each) => each.state().kind)).toEqual(["running", "running", "running"]);
	});

	it("is probed by another process when the first one's probe is never answered", async () => {
		const [ada, bob] = [joinGroup(), joinGroup()];
		await ada.tell(limited, false);
		await look(bob);
		now = 60_000;
		expect(await ada.probe()).toBe(true);
		expect(await bob.probe()).toBe(false);
		now = bob.until();
		expect(now).toBeLessThanOrEqual(75_000);
		expect(await bob.probe()).toBe(true);
	});

	it("is extended by a probe that fails, and reports that once", async () => {
		const ada = joinGroup();
		await ada.tell(refused, false);
		now = 30_000;
		await ada.probe();
		await ada.tell((hold) => hold.failed(1, "timeout", now), true);
		expect(ada.until()).toBe(90_000);
		expect(states.map((state) => "until" in state && state.until)).toEqual([30_000, 90_000]);
	});

	it("is neither ended nor extended by requests that were under way when it began", async () => {
		const [ada, bob] = [joinGroup(), joinGroup()];
		await ada.tell(limited, false);
		await bob.tell(answered, false);
		await bob.tell(refused, false);
		await look(bob);
		expect(bob.state()).toEqual({ kind: "waiting", reason: "quota", until: 60_000 });
	});

	it("counts the failures of all processes together", async () => {
		const holds = [joinGroup(), joinGroup(), joinGroup(), joinGroup(), joinGroup()];
		const failed = (lane: number) => (hold: Hold) => hold.failed(lane, "http_500", now);
		await Promise.all(holds.map((each, index) => each.tell(failed(index), false)));
		await Promise.all(holds.slice(1).map((each, index) => each.tell(failed(index), false)));
		await Promise.all(holds.map(look));
		expect(holds.map((each) => each.isSuspect())).toEqual(holds.map(() => false));
		await holds[3]?.tell(failed(3), false);
		await Promise.all(holds.map(look));
		expect(holds.map((each) => each.isSuspect())).toEqual(holds.map(() => true));
	});

	it("still waits after a restart, but probes a paused destination at once, as its cause may be gone", async () => {
		await joinGroup().tell(limited, false);
		const later = joinGroup();
		await look(later);
		expect(later.until()).toBe(60_000);
		now = 60_000;
		await later.tell(refused, false);
		const last = joinGroup();
		await look(last);
		expect([last.until(), last.probing(), await last.probe(), last.until()]).toEqual([0, true, true, 75_000]);
	});

	it("lasts at most a day, even if a wrong clock wrote it", async () => {
		now = 1_000 * 86_400_000;
		await joinGroup().tell(limited, false);
		now = 0;
		const later = joinGroup();
		await look(later);
		expect(later.until()).toBe(86_400_000);
	});

	it("is written again until the store accepts it", async () => {
		const { hold } = outbox;
		let failures = 3;
		outbox.hold = (change) => (failures-- > 0 ? Promise.reject(new Error("disk full")) : hold(change));
		await joinGroup().tell(limited, false);
		const other = joinGroup();
		await look(other);
		expect(other.until()).toBe(60_000);
	});

	it("of an operator is endless, also for a fresh process, and is read by one that waits and leases nothing", async () => {
		const [ada, fresh] = [joinGroup(), joinGroup()];
		expect(await ada.order((each) => each.pauseByOperator(now))).toBe(true);
		now = 1_000;
		expect(await fresh.readWhileWaiting(3_600_000)).toBe(now);
		expect([fresh.state(), fresh.until()]).toEqual([
			{ kind: "paused", reason: "operator", since: 0 },
			Number.POSITIVE_INFINITY,
		]);
		now = 10 * 86_400_000;
		expect([ada.until(), fresh.until()]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
		expect(await fresh.probe()).toBe(false);
		await ada.order((each) => each.resume(now));
		await look(fresh);
		expect([ada.state(), fresh.state()]).toEqual([{ kind: "running" }, { kind: "running" }]);
	});

	it("that an operator orders and the store cannot keep is an error, and later changes are made", async () => {
		const hold = joinGroup();
		await outbox.close();
		await expect(hold.order((each) => each.pauseByOperator(now))).rejects.toThrow("closed");
		expect([hold.isChanging(), hold.state()]).toEqual([false, { kind: "running" }]);
	});
});
