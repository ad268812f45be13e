import { expect, it } from "vitest";
import type { Notice } from "../../../server/delivery/context.ts";
import { createSettle } from "../../../server/delivery/settle.ts";
import type { Settlement } from "../../../server/outbox/outbox.ts";
import { contextOf } from "./lanes.ts";

const settlement: Settlement = {
	lease: { destination: { site: "site", name: "crisp" }, lane: 1, number: 1, person: "email:ada@example.com" },
	now: 0,
};

/** Settles with a store that gives these answers. Resolves to all calls and callbacks in order. */
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

it("settle calls a lane ready once its own store is asked, as that store answers in order", async () => {
	expect(await settleWith(false, [true])).toEqual(["asked", "ready", "answered", true]);
});

it("settle calls a lane ready only once a shared store has answered", async () => {
	expect(await settleWith(true, [true])).toEqual(["asked", "answered", "ready", true]);
});

it("settle tries again until the store accepts the settlement", async () => {
	const full = new Error("disk full");
	expect(await settleWith(true, [full, full, true])).toEqual([
		...["asked", "answered", full],
		...["asked", "answered", full],
		...["asked", "answered", "ready", true],
	]);
});

it("settle calls a lane ready at each new try", async () => {
	const full = new Error("disk full");
	expect(await settleWith(false, [full, true])).toEqual([
		...["asked", "ready", "answered", full],
		...["asked", "ready", "answered", true],
	]);
});

it("settle reports a lease that had ended", async () => {
	expect(await settleWith(true, [false])).toEqual(["asked", "answered", "ready", "lost", false]);
});

it("settle gives up at the end of the grace period", async () => {
	const full = new Error("disk full");
	expect(await settleWith(true, [full], AbortSignal.abort())).toEqual(["asked", "answered", full, false]);
});
