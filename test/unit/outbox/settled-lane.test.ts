import { expect, it } from "vitest";
import { type Lane, untried } from "../../../server/outbox/lane.ts";
import { settledLane } from "../../../server/outbox/settled-lane.ts";

const lane: Lane = {
	id: 1,
	destination: 1,
	person: "ada",
	rank: 0,
	reserved: false,
	turn: 1,
	dueAt: 50,
	owedSince: 0,
	...untried,
	requests: 2,
};
const delivered = { count: 1, ending: { kind: "delivered" } } as const;

it("a settled lane counts the request that was sent, and shows as many deliveries as before", () => {
	expect(settledLane({ ...lane, shown: 3 }, { now: 9, sent: true })).toEqual({
		...lane,
		dueAt: 0,
		requests: 3,
		shown: 3,
	});
	expect(settledLane(lane, { now: 9 })).toEqual({ ...lane, dueAt: 0 });
});

it("a settled lane shows fewer deliveries after narrowing", () => {
	expect(settledLane({ ...lane, shown: 3 }, { now: 9, narrowTo: 1 }).shown).toBe(1);
});

it("a settled lane waits after a failure, and remembers the time of its first failure", () => {
	const first = settledLane(lane, { now: 9, sent: true, failed: { dueAt: 20 } });
	expect(first).toEqual({ ...lane, dueAt: 20, attempts: 1, failingSince: 9, requests: 3 });
	const second = settledLane(first, { now: 19, failed: { dueAt: 40, unreadable: true } });
	expect(second).toMatchObject({ dueAt: 40, attempts: 2, unreadable: 1, failingSince: 9 });
});

it("a settled lane starts anew with its next delivery", () => {
	const fresh = { ...lane, ...untried };
	expect(settledLane(fresh, { now: 9, sent: true, narrowTo: 1, ended: delivered })).toEqual({ ...fresh, dueAt: 0 });
	const failed = settledLane(fresh, { now: 9, ended: delivered, failed: { dueAt: 20 } });
	expect(failed).toMatchObject({ dueAt: 20, attempts: 1, failingSince: 9, requests: 0, shown: undefined });
});

it("a settled lane keeps fields that only one store has", () => {
	expect(settledLane({ ...lane, done: 4 }, { now: 9 }).done).toBe(4);
});
