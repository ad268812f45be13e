import { expect, it } from "vitest";
import type { Notice } from "../../../server/delivery/dispatcher.ts";
import { createActivity } from "../../../server/observe/activity.ts";
import { sealBatch } from "../../../server/outbox/journal-row.ts";
import type { LiveDelivery } from "../../../shared/admin.ts";
import { storedEvent } from "../../support/one-event.ts";

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
