import { expect, it } from "vitest";
import type { Notice } from "../../../server/delivery/context.ts";
import { createSettle } from "../../../server/delivery/settle.ts";
import type { Settlement } from "../../../server/outbox/outbox.ts";
import { contextOf } from "./lanes.ts";

const settlement: Settlement = {
	lease: { destination: { site: "site", name: "crisp" }, lane: 1, number: 1, person: "email:ada@example.com" },
	now: 0,
};

/** Settles with a store that answers as told; resolves to what happened, in order. */
async function settleWith(isShared: boolean, answers: (boolean | Error)[], signal = new AbortController().signal) {
	const happened: unknown[] = [];
	const outbox = {
		isShared,
		async settle() {
			happened.push("asked");
			await Promise.resolve();
			happened.push("answered");
			const answer = answers.shift() ?? true;
			if (answer instanceof Error) throw answer;
			return answer;
		},
	};
	const report = (notice: Notice) => happened.push(notice.kind === "fault" ? notice.error : notice.kind);
	const settle = createSettle(contextOf({ outbox, signal, report }), () => happened.push("ready"));
	happened.push(await settle(settlement));
	return happened;
}

it("calls a lane ready once a store of its own is asked, as the store answers in order", async () => {
	expect(await settleWith(false, [true])).toEqual(["asked", "ready", "answered", true]);
});

it("calls a lane ready only once a shared store has answered", async () => {
	expect(await settleWith(true, [true])).toEqual(["asked", "answered", "ready", true]);
});

it("settles again until the store takes it", async () => {
	const full = new Error("disk full");
	expect(await settleWith(true, [full, full, true])).toEqual([
		...["asked", "answered", full],
		...["asked", "answered", full],
		...["asked", "answered", "ready", true],
	]);
});

it("calls a lane ready anew each time that it settles again", async () => {
	const full = new Error("disk full");
	expect(await settleWith(false, [full, true])).toEqual([
		...["asked", "ready", "answered", full],
		...["asked", "ready", "answered", true],
	]);
});

it("tells of a lease that had ended", async () => {
	expect(await settleWith(true, [false])).toEqual(["asked", "answered", "ready", "lost", false]);
});

it("gives up at the end of the grace period", async () => {
	const full = new Error("disk full");
	expect(await settleWith(true, [full], AbortSignal.abort())).toEqual(["asked", "answered", full, false]);
});
