import { expect, it } from "vitest";
import type { Notice } from "../../../server/delivery/context.ts";
import { createSettle } from "../../../server/delivery/settle.ts";
import type { Settled, Settlement } from "../../../server/outbox/outbox.ts";
import { contextOf } from "./lanes.ts";

const settlement: Settlement = {
	lease: { destination: { site: "site", name: "crisp" }, lane: 1, number: 1, person: "email:ada@example.com" },
	now: 0,
};

/** Settles with a store that gives these answers. Resolves to all calls and callbacks in order. */
async function settleWith(answers: (Settled | Error)[], more: Partial<Settlement> = {}, signal?: AbortSignal) {
	const happened: unknown[] = [];
	const outbox = {
		async settle() {
			happened.push("asked");
			await Promise.resolve();
			const answer = answers.shift() ?? "gone";
			happened.push(answer);
			if (answer instanceof Error) throw answer;
			return answer;
		},
	};
	const notify = (notice: Notice) => happened.push(notice.kind === "fault" ? notice.error : notice.kind);
	const context = contextOf({ outbox, notify, ...(signal && { signal }) });
	const settle = createSettle(context, (at) => happened.push(`ready from ${at}`));
	happened.push(await settle({ ...settlement, ...more }));
	return happened;
}

it("settle calls a lane ready that remains", async () => {
	expect(await settleWith(["remains"])).toEqual(["asked", "remains", "ready from 0", true]);
});

it("settle calls a lane ready from the end of its wait", async () => {
	const failed = { dueAt: 700 };
	expect(await settleWith(["remains"], { failed })).toEqual(["asked", "remains", "ready from 700", true]);
});

it("settle does not call a lane ready that is gone", async () => {
	expect(await settleWith(["gone"])).toEqual(["asked", "gone", true]);
});

it("settle calls the person's next lane ready, even if the settled one is gone or waits", async () => {
	const failed = { dueAt: 700 };
	expect(await settleWith(["yields"], { failed })).toEqual(["asked", "yields", "ready from 0", true]);
});

it("settle tries again until the store accepts the settlement", async () => {
	const full = new Error("disk full");
	expect(await settleWith([full, full, "remains"])).toEqual([
		...["asked", full, full],
		...["asked", full, full],
		...["asked", "remains", "ready from 0", true],
	]);
});

it("settle reports a lost lease, and calls its lane ready, as an earlier try may have settled it", async () => {
	expect(await settleWith(["lost"])).toEqual(["asked", "lost", "ready from 0", "lost", false]);
});

it("settle gives up at the end of the grace period", async () => {
	const full = new Error("disk full");
	expect(await settleWith([full], {}, AbortSignal.abort())).toEqual(["asked", full, full, false]);
});
