// Takes docs/console.png, the README's picture of the console: npm run docs:picture
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express from "express";
import { createProxy } from "../../server/index.ts";
import { startSandbox } from "../../server/sandbox/index.ts";
import { launchChromium } from "../browser/chromium.ts";
import { temporaryFolder } from "../support/served.ts";

const { path, remove } = temporaryFolder();
const sandbox = await startSandbox();
const adminToken = "0123456789abcdef".repeat(4);
const proxy = createProxy({
	store: `sqlite:${path}/picture.db`,
	logLevel: "silent",
	adminToken,
	sites: [{ writeKey: "site_shop", origins: ["https://shop.example"], ...sandbox.destinations }],
});
await proxy.start();
const server = express().use(proxy.router).listen(0, "127.0.0.1");
await once(server, "listening");
const chromium = await launchChromium();
try {
	const page = await (await chromium.visitor({ viewport: { width: 1120, height: 720 } })).newPage();
	await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/console`);
	await page.fill("#token", adminToken);
	await page.keyboard.press("Enter");
	await page.waitForSelector(".plot canvas");

	sandbox.fault("vibetrace", { status: 400, times: 1, body: { errors: [{ message: "Missing event information" }] } });
	sandbox.fault("helpcrunch", { status: 429, headers: { "retry-after": "60" } });
	const shoppers = ["ada", "grace", "alan", "edsger", "barbara", "linus"];
	for (const [place, name] of shoppers.entries()) {
		const person = { email: `${name}@example.com` };
		await proxy.track({ type: "track", name: "basket:item:added", person, data: { product: "iPhone X" } });
		await proxy.track({ type: "confirmation", person, data: { orderId: `A-${place}`, total: 99.9 } });
	}
	await sandbox.waitFor({ destination: "crisp", person: { email: "linus@example.com" }, type: "confirmation" });
	await page.getByText("basket:item:added").first().waitFor();
	await page.reload();
	await page.waitForSelector(".plot canvas");
	await page.getByText("paused").or(page.getByText("waiting")).first().waitFor();
	await page.screenshot({ path: "docs/console.png" });
} finally {
	await chromium.close();
	server.close();
	server.closeAllConnections();
	await proxy.stop();
	await sandbox.stop();
	remove();
}
