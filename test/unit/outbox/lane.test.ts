import { expect, it } from "vitest";
import { type Lane, laneOf, settledLane, untried } from "../../../server/outbox/lane.ts";

const row = {
	id: 1,
	destination: 2,
	person: "ada",
	rank: 3,
	turn: 4,
	due_at: 5,
	attempts: 6,
	unreadable: 7,
	requests: 8,
	owed_since: 9,
};
const lane = {
	id: 1,
	destination: 2,
	person: "ada",
	rank: 3,
	turn: 4,
	dueAt: 5,
	attempts: 6,
	unreadable: 7,
	requests: 8,
	owedSince: 9,
};

it("a lane is read alike from SQLite's numbers and PostgreSQL's booleans", () => {
	const nulls = { failing_since: null, shown: null };
	const withoutNulls = { ...lane, failingSince: undefined, shown: undefined };
	expect(laneOf({ ...row, ...nulls, trusted: 1, reserved: 1 })).toEqual({
		...withoutNulls,
		trusted: true,
		reserved: true,
	});
	expect(laneOf({ ...row, ...nulls, trusted: true, reserved: true })).toEqual({
		...withoutNulls,
		trusted: true,
		reserved: true,
	});
	expect(laneOf({ ...row, ...nulls, trusted: 0, reserved: 0 })).toEqual({
		...withoutNulls,
		trusted: false,
		reserved: false,
	});
	expect(laneOf({ ...row, failing_since: 0, shown: 1, trusted: false, reserved: false })).toEqual({
		...lane,
		failingSince: 0,
		shown: 1,
		trusted: false,
		reserved: false,
	});
});

it("a lane awaits an event only if none came since it was last leased", () => {
	expect(settledLane(tried, { now: 1, awaitedTo: 9 })).toMatchObject({ dueAt: 0, attempts: tried.attempts });
	const waiting = settledLane(settledLane(tried, { now: 1, awaitedTo: 9 }), { now: 1, awaitedTo: 9 });
	expect(waiting.dueAt).toBe(9);
	expect(settledLane({ ...waiting, shown: 100 }, { now: 1, awaitedTo: 9 }).dueAt).toBe(0);
	expect(settledLane(waiting, { now: 1, isOnTheWay: true }).shown).toBe(100);
});

const tried: Lane = {
	id: 1,
	destination: 1,
	person: "ada",
	rank: 0,
	trusted: false,
	reserved: false,
	turn: 1,
	dueAt: 50,
	owedSince: 0,
	...untried,
	requests: 2,
};
const delivered = { count: 1, ending: { kind: "delivered" } } as const;

it("counts the request that was sent, and shows as many as before", () => {
	expect(settledLane({ ...tried, shown: 3 }, { now: 9, sent: true })).toEqual({
		...tried,
		dueAt: 0,
		requests: 3,
		shown: 3,
	});
	expect(settledLane(tried, { now: 9 })).toEqual({ ...tried, dueAt: 0 });
});

it("shows fewer where that was asked for", () => {
	expect(settledLane({ ...tried, shown: 3 }, { now: 9, narrowTo: 1 }).shown).toBe(1);
});

it("waits after a failure, and remembers since when it fails", () => {
	const first = settledLane(tried, { now: 9, sent: true, failed: { dueAt: 20 } });
	expect(first).toEqual({ ...tried, dueAt: 20, attempts: 1, failingSince: 9, requests: 3 });
	const second = settledLane(first, { now: 19, failed: { dueAt: 40, unreadable: true } });
	expect(second).toMatchObject({ dueAt: 40, attempts: 2, unreadable: 1, failingSince: 9 });
});

it("starts anew with the delivery that comes next", () => {
	const left = { ...tried, ...untried };
	expect(settledLane(left, { now: 9, sent: true, narrowTo: 1, ended: delivered })).toEqual({ ...left, dueAt: 0 });
	const failed = settledLane(left, { now: 9, ended: delivered, failed: { dueAt: 20 } });
	expect(failed).toMatchObject({ dueAt: 20, attempts: 1, failingSince: 9, requests: 0, shown: undefined });
});

it("keeps what only one store knows of a lane", () => {
	expect(settledLane({ ...tried, done: 4 }, { now: 9 }).done).toBe(4);
});
