import { expect, it } from "vitest";
import { laneOf } from "../../../server/outbox/lane.ts";

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
	expect(laneOf({ ...row, ...nulls, reserved: 1 })).toEqual({ ...withoutNulls, reserved: true });
	expect(laneOf({ ...row, ...nulls, reserved: true })).toEqual({ ...withoutNulls, reserved: true });
	expect(laneOf({ ...row, ...nulls, reserved: 0 })).toEqual({ ...withoutNulls, reserved: false });
	expect(laneOf({ ...row, failing_since: 0, shown: 1, reserved: false })).toEqual({
		...lane,
		failingSince: 0,
		shown: 1,
		reserved: false,
	});
});
