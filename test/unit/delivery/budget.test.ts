import { expect, it } from "vitest";
import { budgetLimits, createPurse } from "../../../server/delivery/budget.ts";
import type { AdvanceRequest, Outbox } from "../../../server/outbox/outbox.ts";
import { openSqlite } from "../../../server/outbox/sqlite/open.ts";
import { temporaryFolder } from "../../support/served.ts";
import { contextOf } from "./lanes.ts";

it("an unused token returns to the purse only within its own window", async () => {
	const { path, remove } = temporaryFolder();
	const outbox: Outbox = await openSqlite(`${path}/store.db`);
	const limits = { cap: 1, reserve: 0, bucket: 1, windowMs: 1_000, windowOffsetMs: 0 };
	let now = 0;
	const purse = createPurse(contextOf({ outbox, limits, now: () => now }));
	await purse.fill();
	const first = purse.spend();
	purse.putBack(first);
	expect(purse.tokens()).toBe(1);
	purse.spend();
	now = 1_100;
	await purse.fill();
	purse.spend();
	purse.putBack(first);
	expect(purse.tokens()).toBe(0);
	await outbox.close();
	remove();
});

it("an empty purse asks the store again only once its budget refills", async () => {
	let now = 0;
	let asked = 0;
	const outbox = {
		async advance() {
			asked += 1;
			return { granted: now < 500 ? 0 : 1, reservedOnly: false, until: 60_000, nextAt: 500 };
		},
	};
	const limits = budgetLimits({ requests: 120, per: "minute" }, {});
	const purse = createPurse(contextOf({ outbox, limits, now: () => now }));
	expect([await purse.fill(), await purse.fill(), asked]).toEqual([500, 500, 1]);
	now = 500;
	expect([await purse.fill(), purse.tokens(), asked]).toEqual([undefined, 1, 2]);
});

it("a purse has no token for a probe if the window ends before the store answers", async () => {
	let now = 59_999;
	const outbox = {
		async advance() {
			const until = now < 60_000 ? 60_000 : 120_000;
			now += 2;
			return { granted: 1, reservedOnly: false, until, nextAt: 0 };
		},
	};
	const purse = createPurse(
		contextOf({ outbox, limits: budgetLimits({ requests: 3, per: "minute" }, {}), now: () => now }),
	);
	expect([await purse.fill(), purse.tokens()]).toEqual([60_001, 0]);
	expect([await purse.fill(), purse.tokens()]).toEqual([undefined, 1]);
});

it.each([
	["60 a second", 60, "second", 6],
	["10 a second", 10, "second", 1],
	["120 a minute", 120, "minute", 1],
	["10,000 a day", 10_000, "day", 10],
	["1,000,000 a second", 1_000_000, "second", 100],
] as const)(
	"at %s a purse prefetches prefetched enough tokens that a crash wastes little, and enough for a slow disk",
	async (_, requests, per, prefetched) => {
		const wanted: number[] = [];
		const outbox = {
			async advance({ want }: AdvanceRequest) {
				wanted.push(want);
				return { granted: want, reservedOnly: false, until: 1, nextAt: 0 };
			},
		};
		await createPurse(contextOf({ outbox, limits: budgetLimits({ requests, per }, {}) })).fill();
		expect(wanted).toEqual([prefetched]);
	},
);
