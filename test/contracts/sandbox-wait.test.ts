import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { event, type RunningProxy, runProxy } from "../support/proxy.ts";

let running: RunningProxy;
beforeEach(async () => {
	running = await runProxy();
});
afterEach(() => running.stop());
const ada = { email: "ada@example.com" };

describe("waitFor", () => {
	test("resolves when the event arrives, with the profile it arrived on", async () => {
		const waited = running.sandbox.waitFor({
			destination: "crisp",
			name: "basket:item:added",
			data: { product: "iPhone X" },
			person: { email: "Ada@example.com" },
		});
		await running.batch(
			event({ name: "basket:item:added", data: { product: "pen" }, person: ada }),
			event({ name: "basket:item:added", data: { product: "iPhone X", price: 999 }, person: ada }),
		);
		expect(await waited).toMatchObject({
			destination: "crisp",
			person: ada,
			event: { name: "basket:item:added", data: { product: "iPhone X", price: 999 } },
		});
	});

	test("resolves at once if the event is there, whichever conditions are left out", async () => {
		await running.batch(event({ type: "confirmation", name: undefined, data: { orderId: "A-1" }, person: ada }));
		await running.settled(1);
		for (const expected of [{}, { type: "confirmation" }, { data: { orderId: "A-1" } }, { person: ada }] as const)
			expect(await running.sandbox.waitFor(expected)).toMatchObject({ event: { name: "confirmation" } });
	});

	test("a login or update has arrived when the profile holds its attributes", async () => {
		const waited = running.sandbox.waitFor({ type: "login", data: { name: "Ada Lovelace", plan: "pro" } });
		const data = { name: "Ada Lovelace", plan: "pro", phone: "+44" };
		await running.batch(event({ type: "login", name: undefined, data, person: ada }));
		expect(await waited).toMatchObject({ person: { ...ada, attributes: { plan: "pro" } } });
		await expect(
			running.sandbox.waitFor({ type: "update", data: { plan: "team" } }, { timeoutMs: 1 }),
		).rejects.toThrow();
	});

	test.each([
		["another name", { name: "signup" }],
		["other data", { name: "hello", data: { a: 2 } }],
		["another person", { name: "hello", person: { email: "bob@example.com" } }],
		["another destination", { name: "hello", destination: "vibetrace" }],
		["another type", { type: "confirmation" }],
	] as const)("does not match an event with %s, and rejects with the received requests", async (_name, expected) => {
		await running.batch(event({ name: "hello", data: { a: 1 }, person: ada }));
		await running.settled(1);
		const waited = running.sandbox.waitFor(expected, { timeoutMs: 5 });
		await expect(waited).rejects.toThrow(/did not receive the expected request within 5 ms\. It received/);
	});

	test("rejects when the sandbox is stopped", async () => {
		const waited = running.sandbox.waitFor({ name: "never" });
		const rejection = expect(waited).rejects.toThrow(/stopped/);
		await running.sandbox.stop();
		await rejection;
	});
});
