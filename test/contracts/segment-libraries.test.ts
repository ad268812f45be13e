import Rudderstack from "@rudderstack/rudder-sdk-node";
import { Analytics } from "@segment/analytics-node";
import { afterEach, describe, expect, test } from "vitest";
import { type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

let running: RunningProxy;
afterEach(() => running.stop());

const ada = { email: "ada@example.com", plan: "pro" };
const order = { order_id: "A-1001", revenue: 99.9, products: [{ product_id: "iphone-x", price: 99.9 }] };

/** Expects the login, the event and the purchase of Ada, whose e-mail only the login says. */
async function arrived(): Promise<void> {
	await running.settled(3);
	const person = { email: "ada@example.com" };
	for (const destination of ["crisp", "helpcrunch", "vibetrace"] as const)
		for (const event of [
			{ type: "login", data: { plan: "pro" } },
			{ name: "Signed Up", data: { from: "ad" } },
			{ type: "confirmation", data: { orderId: "A-1001", total: 99.9 } },
		] as const)
			await running.sandbox.waitFor({ destination, person, ...event });
	expect(running.sandbox.people("helpcrunch")).toMatchObject([{ email: "ada@example.com", userId: "u-1" }]);
}

describe("the proxy takes the calls of", () => {
	test.each(["", "/segment"])("Segment's library for Node, with its host %s alone", async (path) => {
		running = await runProxy({ site: (destinations) => destinations });
		const analytics = new Analytics({ writeKey: serverKey, host: `${running.url}${path}` });
		const errors: unknown[] = [];
		analytics.on("error", (error) => errors.push(error));
		analytics.identify({ userId: "u-1", traits: ada });
		analytics.group({ userId: "u-1", groupId: "g-1" });
		analytics.track({ userId: "u-1", event: "Signed Up", properties: { from: "ad" } });
		analytics.track({ userId: "u-1", event: "Order Completed", properties: order });
		analytics.track({ anonymousId: "a-1", event: "Seen by nobody" });
		await analytics.closeAndFlush();
		expect(errors).toEqual([]);
		await arrived();
	});

	test("Segment's library for Node, one call each, with its path where the proxy is mounted", async () => {
		running = await runProxy({ site: (destinations) => destinations, base: "/ferry" });
		const [host, path] = [new URL(running.url).origin, "/ferry/segment/v1/batch"];
		const analytics = new Analytics({ writeKey: serverKey, host, path, maxEventsInBatch: 1 });
		// Requests of their own may overtake each other.
		await new Promise<void>((answered) => analytics.identify({ userId: "u-1", traits: ada }, () => answered()));
		analytics.track({ userId: "u-1", event: "Signed Up", properties: { from: "ad" } });
		analytics.track({ userId: "u-1", event: "Order Completed", properties: order });
		await analytics.closeAndFlush();
		await arrived();
	});

	test("RudderStack's library for Node, with its host alone", async () => {
		running = await runProxy({ site: (destinations) => destinations, base: "/ferry" });
		const analytics = new Rudderstack(serverKey, { dataPlaneUrl: `${running.url}/segment` });
		// Requests of their own may overtake each other.
		await new Promise<void>((answered) => analytics.identify({ userId: "u-1", traits: ada }, () => answered()));
		analytics.track({ userId: "u-1", event: "Signed Up", properties: { from: "ad" } });
		analytics.track({ userId: "u-1", event: "Order Completed", properties: order });
		analytics.track({ anonymousId: "a-1", event: "Seen by nobody" });
		await analytics.flush();
		await arrived();
	});
});
