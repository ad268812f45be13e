import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import type { Notice } from "../../../server/delivery/dispatcher.ts";
import { createActivity } from "../../../server/observe/activity.ts";
import { sealBatch } from "../../../server/outbox/journal-row.ts";
import { noteAnswer } from "../../../server/providers/answers.ts";
import type { Plan } from "../../../server/providers/provider.ts";
import type { LiveDelivery } from "../../../shared/admin.ts";
import { storedEvent } from "../../support/one-event.ts";

type Step = Extract<Notice, { kind: "step" }>;

const destination = { site: "site", name: "x" };
const ada = { email: "ada@example.com" };

function step(count: number, more: Partial<Extract<Notice, { kind: "step" }>> = {}): Notice {
	const request = { purpose: "event", method: "POST", path: ["events"], body: {}, ifDelivered: {} } as const;
	return {
		kind: "step",
		person: "email:ada@example.com",
		events: Array.from({ length: 100 }, (_, index) => storedEvent({ name: `event ${index}`, person: ada })),
		result: {
			plan: { kind: "send", request: { ...request, path: [...request.path] }, settles: count, covers: count },
			outcome: { kind: "delivered", known: {} },
			ms: 3,
		},
		isSettled: true,
		ended: { count, ending: { kind: "delivered" } },
		at: 5,
		...more,
	};
}
const create = () => createActivity({ labelOf: () => "shop.example", now: () => 1 });

it("a live delivery counts its events and names the first twenty", () => {
	const activity = create();
	const deliveries: LiveDelivery[] = [];
	activity.watch((delivery) => deliveries.push(delivery));
	activity.stepped(destination, step(70));
	activity.stepped(destination, step(1));
	expect(deliveries.map(({ count, events }) => [count, events.length])).toEqual([
		[70, 20],
		[1, 1],
	]);
});

it("a provider's reason is shown without the person's e-mail", () => {
	const activity = create();
	const outcome = { kind: "rejected", reason: "bad user ada@example.com" } as const;
	const base = step(1) as Extract<Notice, { kind: "step" }>;
	activity.stepped(destination, { ...base, result: { ...base.result, outcome } });
	const { latest } = activity.watch(() => {});
	expect(latest.map(({ reason }) => reason)).toEqual(["bad user ***"]);
});

it("the latest requests are remembered up to a number of events, and the last hundred are shown", () => {
	const activity = create();
	for (let at = 0; at < 300; at += 1) activity.stepped(destination, step(99, { at }));
	const { steps } = activity.remembered();
	expect(steps).toHaveLength(200);
	expect(activity.since()).toBe(100);
	expect(activity.watch(() => {}).latest.map(({ at }) => at)).toEqual(
		Array.from({ length: 100 }, (_, index) => 200 + index),
	);
});

it("a forgotten person's activity is deleted, and requests still under way are not recorded", () => {
	const activity = create();
	const events = [
		{
			person: "email:ada@example.com",
			body: "{}",
			destinations: [],
			claims: [],
			rank: 0,
			reserved: false,
			trusted: false,
		},
	];
	activity.received({
		kind: "batch",
		site: "site",
		accepted: 1,
		row: sealBatch({ site: "site", events }),
		rejected: [],
		ordersUnread: 0,
		at: 1,
	});
	activity.discarded([{ site: "site", person: "email:ada@example.com", key: "00", reason: "duplicate" }]);
	activity.stepped(destination, step(1));
	activity.forget({ site: "other", people: ["email:ada@example.com"] });
	expect(Object.values(activity.remembered()).map(({ length }) => length)).toEqual([1, 1, 1]);
	activity.forget({ site: "site", people: ["email:ada@example.com"] });
	activity.stepped(destination, step(1, { isSettled: false, ended: undefined }));
	expect(Object.values(activity.remembered()).map(({ length }) => length)).toEqual([0, 0, 0]);
});

describe("requests and answers", () => {
	const watching = (keepsBodies = true) => createActivity({ labelOf: () => "shop.example", now: () => 1, keepsBodies });
	const sent = (body: Record<string, unknown>, more: Partial<Step> = {}) => {
		const base = step(1) as Step;
		const request = { ...(base.result.plan as Extract<Plan, { kind: "send" }>).request, body };
		noteAnswer(request, "x".repeat(70_000));
		return { ...base, result: { ...base.result, plan: { ...base.result.plan, request } as Plan }, ...more };
	};
	const idOf = ({ events: [first] }: Step) => first?.event.id ?? "";

	it("are remembered with their event, clipped, and only where operators may see them", () => {
		const each = sent({ text: "y".repeat(20_000) });
		const [activity, closed] = [watching(), watching(false)];
		for (const one of [activity, closed]) one.stepped(destination, each);
		const [kept] = activity.exchanges(idOf(each));
		expect([kept?.sent?.length, kept?.answer?.length]).toEqual([16_384, 16_384]);
		expect([activity.exchanges(crypto.randomUUID()), closed.exchanges(idOf(each))]).toEqual([[], []]);
	});

	it("are bounded in number and in bytes, the oldest going first", () => {
		for (const [size, most] of [
			[1, 2_000],
			[16_000, 125],
		] as const) {
			const activity = watching();
			const all = Array.from({ length: most + 100 }, (_, at) => sent({ text: "y".repeat(size) }, { at }));
			for (const each of all) activity.stepped(destination, each);
			const kept = all.filter((each) => activity.exchanges(idOf(each)).length > 0);
			expect(kept.length).toBeLessThanOrEqual(most);
			expect(kept.at(-1)).toBe(all.at(-1));
			expect(activity.exchanges(idOf(all[0] as Step))).toEqual([]);
		}
	});

	it("of a forgotten person are deleted, and those under way are not remembered", () => {
		const activity = watching();
		const each = sent({ a: 1 });
		activity.stepped(destination, each);
		activity.forget({ site: "other", people: [each.person] });
		expect(activity.exchanges(idOf(each))).toHaveLength(1);
		activity.forget({ site: "site", people: [each.person] });
		activity.stepped(destination, { ...each, isSettled: false });
		expect(activity.exchanges(idOf(each))).toEqual([]);
	});
});

it("keeps requests and answers in a memory bounded by bytes, however long the answers were", () => {
	const activity = createActivity({ labelOf: () => "shop.example", now: () => 1, keepsBodies: true });
	setFlagsFromString("--expose-gc");
	const collect = runInNewContext("gc") as () => void;
	const used = () => {
		collect();
		return process.memoryUsage().heapUsed;
	};
	const before = used();
	for (let at = 0; at < 1_000; at += 1) {
		const each = step(1, { at }) as Extract<Notice, { kind: "step" }>;
		const { plan } = each.result as { plan: Extract<Plan, { kind: "send" }> };
		noteAnswer(plan.request, `${at} ${"ж".repeat(32_000)}`.replace("ж", "x"));
		activity.stepped(destination, { ...each, events: [storedEvent({ name: "x", person: ada })] });
	}
	const kept = used() - before;
	expect(activity.remembered().steps).toHaveLength(1_000);
	expect(kept).toBeLessThan(8_000_000);
});
