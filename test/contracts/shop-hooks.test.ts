import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

const secret = "a web hook's secret";

/** The shops' own orders, of the fields that their documentation has for them. */
const shops = [
	{
		shop: "shopify",
		signature: "X-Shopify-Hmac-Sha256",
		headers: { "X-Shopify-Topic": "orders/paid" },
		order: {
			id: 820982911946154500,
			name: "#1001",
			email: "ada@example.com",
			total_price: "403.00",
			currency: "USD",
			customer: { id: 115310627314723950, email: "old@example.com" },
			line_items: [{ product_id: 632910392, sku: "IPOD", name: "IPod – 8GB", price: "199.50", quantity: 2 }],
		},
		orderId: "820982911946154500",
		ignored: [{ headers: { "X-Shopify-Topic": "orders/create" } }],
	},
	{
		shop: "woocommerce",
		signature: "X-WC-Webhook-Signature",
		headers: { "X-WC-Webhook-Topic": "order.updated", "X-WC-Webhook-Resource": "order" },
		order: {
			id: 727,
			status: "processing",
			date_paid: "2026-01-02T10:00:00",
			total: "403.00",
			currency: "USD",
			customer_id: 0,
			billing: { email: "ada@example.com" },
			line_items: [{ product_id: 632910392, sku: "IPOD", name: "IPod – 8GB", price: 199.5, quantity: 2 }],
		},
		orderId: "727",
		ignored: [
			{ order: { date_paid: null } },
			{ headers: { "X-WC-Webhook-Topic": "product.updated", "X-WC-Webhook-Resource": "product" } },
		],
	},
];

describe.each(shops)("the example for $shop", ({ shop, signature, headers, order, orderId, ignored }) => {
	let running: RunningProxy;
	let example: ChildProcess;
	let url: string;
	let errors: string;
	beforeEach(async () => {
		running = await runProxy();
		errors = "";
		example = spawn(process.execPath, [`examples/${shop}.mjs`], {
			env: {
				PATH: process.env.PATH,
				PORT: "0",
				EVENTFERRY_URL: running.url,
				EVENTFERRY_SERVER_KEY: serverKey,
				[`${shop.toUpperCase()}_SECRET`]: secret,
			},
			stdio: ["ignore", "pipe", "pipe"],
		});
		example.stderr?.on("data", (chunk) => {
			errors += chunk;
		});
		const [line] = await once(createInterface(example.stdout as NodeJS.ReadableStream), "line");
		url = /http:\S+/.exec(String(line))?.[0] ?? "";
	});
	afterEach(async () => {
		example.kill();
		await running.stop();
	});

	const sign = (bytes: string, key = secret) => createHmac("sha256", key).update(bytes).digest("base64");
	/** Posts a web hook. Its signature is the right one unless the headers say otherwise. */
	const hook = (bytes: string, more: Record<string, string> = {}) =>
		fetch(url, {
			method: "POST",
			headers: { "Content-Type": "application/json", [signature]: sign(bytes), ...headers, ...more },
			body: bytes,
		});

	it("makes one confirmation of a paid order, however often it comes", async () => {
		const text = JSON.stringify(order, undefined, 1);
		expect((await hook(text)).status).toBe(200);
		expect((await hook(text)).status).toBe(200);
		const { discarded } = await running.settled(2);
		expect(discarded).toEqual({ duplicate_order: 1 });
		await running.sandbox.waitFor({
			destination: "crisp",
			person: { email: "ada@example.com" },
			type: "confirmation",
			data: { orderId, total: 403, currency: "USD" },
		});
		expect(errors).toBe("");
	});

	it("makes nothing of other web hooks", async () => {
		for (const { headers = {}, order: changes = {} } of ignored as {
			headers?: Record<string, string>;
			order?: object;
		}[])
			expect((await hook(JSON.stringify({ ...order, ...changes }), headers)).status).toBe(200);
		if (shop === "woocommerce") expect((await hook("webhook_id=7", { [signature]: "" })).status).toBe(200);
		expect((await running.settled(0)).events).toBe(0);
	});

	it("refuses what the shop has not signed", async () => {
		const text = JSON.stringify(order);
		const right = sign(text);
		for (const wrong of ["", "x", right.slice(0, -4), `${right}AAAA`, sign(text, "another"), sign(`${text} `)])
			expect((await hook(text, { [signature]: wrong })).status, wrong).toBe(401);
		expect((await fetch(url, { method: "POST", headers })).status).toBe(401);
		if (shop === "woocommerce") expect((await hook(`webhook_id=7&${text}`, { [signature]: "" })).status).toBe(401);
		expect((await running.settled(0)).events).toBe(0);
	});

	it("lets the shop repeat what could not be stored, and says what was refused", async () => {
		const text = JSON.stringify(order);
		await running.proxy.stop();
		expect((await hook(text)).status).toBe(503);
		await running.proxy.start();
		expect((await hook(text)).status).toBe(200);
		await running.settled(1);
		const anonymous = { ...order, email: undefined, customer: undefined, billing: {} };
		expect((await hook(JSON.stringify(anonymous))).status).toBe(200);
		expect(errors).toContain("identity_required");
		expect(errors).not.toContain("ada@example.com");
	});
});
