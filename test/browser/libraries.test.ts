import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Chromium, launchChromium } from "./chromium.ts";
import { bundle, startShop } from "./recipe.ts";

let chromium: Chromium;
let shop: Awaited<ReturnType<typeof startShop>>;
beforeAll(async () => {
	chromium = await launchChromium();
});
afterEach(() => shop.stop());
afterAll(() => chromium.close());

const metrics = async () => (await fetch(`${shop.url}/ferry/metrics`)).text();

describe("the proxy takes the calls of", () => {
	test.each(["segment", "rudderstack"])("%s's library for browsers, from another origin", async (library) => {
		const script = await bundle(`../test/browser/libraries/${library}.ts`);
		shop = await startShop({
			page: '<!doctype html><title>Shop</title><script type="module" src="/bundle.js"></script>',
			script,
		});
		const context = await chromium.visitor();
		const page = await context.newPage();
		const errors: string[] = [];
		page.on("pageerror", ({ message }) => errors.push(message));
		page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
		const elsewhere: string[] = [];
		page.on("request", (request) => {
			if (!/^http:\/\/(localhost|127\.0\.0\.1):/.test(request.url())) elsewhere.push(request.url());
		});
		await page.goto(shop.url);
		const person = { email: "ada@example.com", userId: "u-1" };
		for (const event of [
			{ type: "login", data: { plan: "pro" } },
			{ name: "addtocart", data: { itemId: "iphone-x", quantity: 1 } },
			{ type: "confirmation", data: { orderId: "A-1001", total: 99.9 } },
		] as const) {
			await shop.sandbox.waitFor({ destination: "helpcrunch", person, ...event });
			await shop.sandbox.waitFor({ destination: "crisp", person: { email: person.email }, ...event });
			await shop.sandbox.waitFor({ destination: "vibetrace", person: { email: person.email }, ...event });
		}
		await vi.waitFor(async () => {
			expect(await metrics()).toMatch(/segment_calls_unused_total\{reason="group"\} 1/);
			expect(await metrics()).toMatch(/events_accepted_total\{[^}]*\} [3-5]$/m);
		});
		expect(errors).toEqual([]);
		expect(elsewhere).toEqual([]);
		await context.close();
	});
});
