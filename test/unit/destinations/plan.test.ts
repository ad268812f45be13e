import { expect, it, vi } from "vitest";
import { defineDestination } from "../../../server/destinations/destination.ts";
import { connectFunction } from "../../../server/destinations/function.ts";
import { planWith } from "../../../server/destinations/plan.ts";
import type { Lane } from "../../../server/providers/provider.ts";

const lane = [{ event: { id: "1" } }] as unknown as Lane;
const plan = (made: unknown, onFault = vi.fn()) => planWith("own", () => made, lane, {}, 0, onFault);
const request = { purpose: "event", method: "POST", path: [], ifDelivered: {} };
const sends = (more: object) => plan({ kind: "send", settles: 1, covers: 1, request: { ...request, ...more } });

it("a plan remembers at most 8 KB of a person", () => {
	const known = { x: "x".repeat(8_192 - 8) };
	expect(sends({ ifDelivered: known, ifMissing: known })).toMatchObject({ kind: "send" });
	const tooMuch = { x: "x".repeat(8_192 - 7) };
	for (const name of ["ifDelivered", "ifMissing"])
		expect(sends({ [name]: tooMuch })).toEqual({
			kind: "refuse",
			reason: "invalid_plan",
			message: `own: plan is wrong at request.${name}: is 8193 bytes of JSON, more than 8192`,
		});
});

it("a plan that is a promise is refused, and its rejection handled", async () => {
	const unhandled = vi.fn();
	process.on("unhandledRejection", unhandled);
	expect(plan(Promise.reject(new Error("late")))).toMatchObject({
		kind: "refuse",
		message: "own: plan returned a promise: it must plan at once",
	});
	await new Promise((resolve) => setImmediate(resolve));
	process.off("unhandledRejection", unhandled);
	expect(unhandled).not.toHaveBeenCalled();
});

it("a plan discards for at most 20 reasons, each a label of a metric", () => {
	let count = 0;
	const send = async () => new Response();
	const own = defineDestination({
		plan() {
			count += 1;
			return { kind: "discard", settles: 1, reason: `order ${count}` };
		},
		send,
	});
	const connector = connectFunction("own", own, vi.fn());
	const reasons = Array.from({ length: 50 }, () => connector.plan(lane, {}, 0)).map(
		(made) => "reason" in made && made.reason,
	);
	expect(new Set(reasons)).toEqual(new Set([...reasons.slice(0, 20), "other"]));
	expect(reasons.slice(0, 2)).toEqual(["order 1", "order 2"]);
	count = 0;
	expect(connector.plan(lane, {}, 0)).toMatchObject({ reason: "order 1" });
});

it("a plan that blocks the loop is named", () => {
	const onFault = vi.fn();
	const end = performance.now() + 1_100;
	planWith(
		"own",
		() => {
			while (performance.now() < end);
			return { kind: "done", settles: 1 };
		},
		lane,
		{},
		0,
		onFault,
	);
	expect(onFault).toHaveBeenCalledWith({ kind: "blocked", destinations: ["own"], ms: expect.any(Number) });
});
