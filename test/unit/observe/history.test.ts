import { expect, it } from "vitest";
import type { Notice } from "../../../server/delivery/dispatcher.ts";
import { createHistory } from "../../../server/observe/history.ts";
import type { OutboxStats } from "../../../server/outbox/outbox.ts";
import type { Outcome } from "../../../server/providers/provider.ts";

const [minute, day] = [60_000, 86_400_000];
type Step = Pick<Extract<Notice, { kind: "step" }>, "result" | "ended">;
const step = (outcome: Outcome | undefined, ms: number, delivered = 0): Step => ({
	result: { plan: { kind: "await", until: 0 }, ms, ...(outcome && { outcome }) },
	ended: delivered > 0 ? { count: delivered, ending: { kind: "delivered" } } : undefined,
});
const stats = (...lanes: [name: string, lanes: number][]) =>
	({ destinations: lanes.map(([name, each]) => ({ destination: { site: "s", name }, lanes: each })) }) as OutboxStats;

it("a day of deliveries, failures, durations and people waiting is told in slots of ten minutes", () => {
	let now = 10 * day + 5 * minute;
	const history = createHistory({ now: () => now });
	history.stepped("x", step({ kind: "delivered", known: {} }, 100, 3));
	history.stepped("x", step({ kind: "unknownPerson", known: {} }, 20));
	history.stepped("x", step({ kind: "retry", reason: "network" }, 300));
	history.stepped("x", step(undefined, 0, 2));
	history.looked(stats(["x", 4], ["x", 3], ["y", 1]));
	now += 10 * minute;
	history.stepped("x", step({ kind: "rejected", reason: "no" }, 10));
	const { from, to, stepMs, since, destinations } = history.read(["x", "y", "z"]);
	expect([to - from, stepMs, since, to]).toEqual([day, 10 * minute, 10 * day + 5 * minute, 10 * day + 20 * minute]);
	const last = (series: (number | null)[] | undefined) => [series?.length, ...(series ?? []).slice(-3)];
	expect(Object.fromEntries(Object.entries(destinations.x ?? {}).map(([key, each]) => [key, last(each)]))).toEqual({
		delivered: [144, 0, 5, 0],
		failed: [144, 0, 1, 1],
		meanMs: [144, null, 140, 10],
		slowestMs: [144, null, 300, 10],
		waiting: [144, null, 7, null],
	});
	expect([last(destinations.y?.waiting), last(destinations.z?.delivered)]).toEqual([
		[144, null, 1, null],
		[144, 0, 0, 0],
	]);
});

it("no more than a day is kept", () => {
	let now = 0;
	const history = createHistory({ now: () => now });
	for (let slot = 0; slot < 1_000; slot += 1) {
		history.stepped("x", step({ kind: "delivered", known: {} }, 1, 1));
		now += 10 * minute;
	}
	now -= 10 * minute;
	expect(history.read(["x"]).destinations.x?.delivered.filter((each) => each === 1)).toHaveLength(144);
});
