import { beforeEach, describe, expect, it } from "vitest";
import { createPurse } from "../../../server/delivery/budget.ts";
import type { GroupHold } from "../../../server/delivery/group-hold.ts";
import { createHold } from "../../../server/delivery/hold.ts";
import { createProbe } from "../../../server/delivery/probe.ts";
import type { Outcome } from "../../../server/providers/provider.ts";
import { contextOf, running } from "./lanes.ts";

const probe = { purpose: "probe", method: "GET", path: ["probe"], ifDelivered: {} } as const;

describe("a probe", () => {
	let now: number;
	let tokens: number;
	let outcome: Outcome;
	let mayProbe: boolean;
	let hold: ReturnType<typeof createHold>;
	beforeEach(() => {
		now = 0;
		tokens = 10;
		outcome = { kind: "delivered", known: {} };
		mayProbe = true;
		hold = createHold({ requests: 1, per: "day" });
	});

	function start() {
		const groupHold: GroupHold = {
			...running,
			probe: async () => mayProbe,
			async tell(make) {
				make(hold);
			},
		};
		const context = contextOf({
			now: () => now,
			provider: { probe, send: async () => outcome },
			outbox: {
				advance: async () => ({ granted: tokens, reservedOnly: false, until: 1e9, nextAt: 1e9 }),
			},
		});
		return createProbe(context, createPurse(context), groupHold);
	}

	it("that succeeds counts for ten seconds, one that fails for the questions asked at the same time", async () => {
		const { succeeds, sent } = start();
		expect(await Promise.all([succeeds(), succeeds()])).toEqual([true, true]);
		now = 9_999;
		expect([await succeeds(), sent()]).toEqual([true, 1]);
		now = 10_000;
		outcome = { kind: "paused", reason: "http_403" };
		expect(await Promise.all([succeeds(), succeeds()])).toEqual([false, false]);
		expect([await succeeds(), sent()]).toEqual([false, 3]);
	});

	it("is not sent without a token, and does not count as a success then", async () => {
		tokens = 0;
		const { succeeds, sent } = start();
		expect([await succeeds(), sent()]).toEqual([false, 0]);
	});

	it("ends a pause if it succeeds, and lengthens it if it does not", async () => {
		hold.pause("http_401", 0);
		outcome = { kind: "paused", reason: "http_401" };
		now = 30_000;
		await start().endPause();
		expect(hold.state()).toMatchObject({ kind: "paused", until: 90_000 });
		outcome = { kind: "delivered", known: {} };
		now = 90_000;
		await start().endPause();
		expect(hold.state()).toEqual({ kind: "running" });
	});

	it("is left to another process that probes", async () => {
		mayProbe = false;
		const { endPause, sent } = start();
		await endPause();
		expect(sent()).toBe(0);
	});
});
