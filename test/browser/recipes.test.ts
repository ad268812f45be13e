import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { blockWith } from "../support/readme.ts";
import { type Chromium, launchChromium } from "./chromium.ts";
import { bundle, example, startShop } from "./recipe.ts";

let chromium: Chromium;
let shop: Awaited<ReturnType<typeof startShop>>;
beforeAll(async () => {
	chromium = await launchChromium();
});
afterEach(() => shop.stop());
afterAll(() => chromium.close());

/** Opens the shop as a visitor. Resolves to its page and the errors in it. */
async function visit(): Promise<{ page: Page; errors: string[] }> {
	const page = await (await chromium.visitor()).newPage();
	const errors: string[] = [];
	page.on("pageerror", ({ message }) => errors.push(message));
	page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
	await page.goto(shop.url);
	return { page, errors };
}

/** Fills the basket, logs in and buys, as every recipe allows. Resolves once all of it has arrived as Ada's. */
async function buy({ page, errors }: { page: Page; errors: string[] }): Promise<void> {
	await page.getByRole("button", { name: "Add an iPhone X" }).click();
	await page.getByRole("textbox", { name: "E-mail" }).fill("ada@example.com");
	await page.getByRole("button", { name: "Log in" }).click();
	await page.getByRole("button", { name: "Buy" }).click();
	// Waiting events are sent when the page is left.
	await page.goto("about:blank");
	const person = { email: "ada@example.com" };
	for (const destination of ["crisp", "helpcrunch", "vibetrace"] as const) {
		for (const event of [
			{ name: "basket:item:added", data: { product: "iPhone X" } },
			{ type: "login", data: { plan: "pro" } },
			{ type: "confirmation", data: { orderId: "A-1001" } },
		] as const) {
			await shop.sandbox.waitFor({ destination, person, ...event });
		}
	}
	expect(errors).toEqual([]);
	await page.context().close();
}

const emptyPage =
	'<!doctype html><title>Shop</title><div id="root"></div><script type="module" src="/bundle.js"></script>';

describe("the recipe for", () => {
	test("plain HTML", async () => {
		shop = await startShop({ page: await readFile(example("plain-html/index.html"), "utf8") });
		await buy(await visit());
	});

	test("React", async () => {
		shop = await startShop({ page: emptyPage, script: await bundle("react/main.tsx") });
		await buy(await visit());
	});

	test("Vue", async () => {
		shop = await startShop({ page: emptyPage, script: await bundle("vue/main.ts") });
		await buy(await visit());
	});

	test.each([
		["React", "react-analytics/main.tsx"],
		["Vue", "vue-analytics/main.ts"],
	])("%s, whose calls of another tracker stay", async (_framework, entry) => {
		shop = await startShop({ page: emptyPage, script: await bundle(entry) });
		await buy(await visit());
	});

	test("Google Tag Manager, which puts one tag beside a data layer", async () => {
		const tag = await readFile(example("google-tag-manager/tag.html"), "utf8");
		// Tag Manager makes the scripts of a Custom HTML tag anew, without their data- attributes, and takes the data layer.
		const container = `const holder = document.createElement("div");
			holder.innerHTML = ${JSON.stringify(tag).replaceAll("</", "<\\/")};
			for (const given of holder.querySelectorAll("script")) {
				const script = document.createElement("script");
				if (given.src) script.src = given.src;
				script.text = given.text;
				document.body.append(script);
			}
			const { push } = dataLayer;
			dataLayer.push = (...items) => push.apply(dataLayer, items);`;
		shop = await startShop({
			page: `<!doctype html><title>Shop</title><script>
				window.dataLayer = [{ user_data: { email: "ada@example.com" } }];
				dataLayer.push({ ecommerce: null }, { event: "view_item", ecommerce: { items: [{ item_id: "iphone-x" }] } });
			</script><body><script>${container}</script><button onclick='dataLayer.push({ event: "purchase",
				ecommerce: { transaction_id: "A-1001", value: "99.90", items: [{ item_id: "iphone-x", quantity: "1" }] } })'>Buy</button>`,
		});
		const { page, errors } = await visit();
		await page.getByRole("button", { name: "Buy" }).click();
		await page.waitForFunction("window.eventferry.flush && window.eventferryAdopted");
		await page.goto("about:blank");
		const person = { email: "ada@example.com" };
		for (const destination of ["crisp", "helpcrunch", "vibetrace"] as const) {
			await shop.sandbox.waitFor({ destination, person, name: "viewitem", data: { itemId: "iphone-x" } });
			await shop.sandbox.waitFor({
				destination,
				person,
				type: "confirmation",
				data: { orderId: "A-1001", total: 99.9 },
			});
		}
		expect(errors).toEqual([]);
	});

	test("Next's app router, rendered on a server and hydrated without a mismatch", async () => {
		const imports = 'import Layout from "./layout"; import Page from "./page"; const app = <Layout><Page /></Layout>;';
		const server = await bundle(
			{
				contents: `import { renderToString } from "react-dom/server"; ${imports} export default renderToString(app);`,
				folder: "next/app",
			},
			"node",
		);
		const { default: html } = await import(`data:text/javascript;base64,${Buffer.from(server).toString("base64")}`);
		const script = await bundle({
			contents: `import { hydrateRoot } from "react-dom/client"; ${imports}
				hydrateRoot(document, app, { onRecoverableError: console.error });`,
			folder: "next/app",
		});
		shop = await startShop({
			page: `<!doctype html>${html}<script type="module" src="/bundle.js"></script>`,
			script,
		});
		await buy(await visit());
	});
});

describe("the pages'", () => {
	const person = { email: "ada@example.com" };

	test.each(["README.md", "docs/browser.md"])("tag in %s works as described", async (from) => {
		const page = blockWith("window.eventferry = window", from).replace("https://shop.example", "");
		shop = await startShop({ page: `<!doctype html>${page}` });
		const { page: opened, errors } = await visit();
		await opened.waitForFunction("!Array.isArray(window.eventferry)");
		await opened.goto("about:blank");
		await shop.sandbox.waitFor({ person, name: "basket:item:added", data: { product: "iPhone X" } });
		await shop.sandbox.waitFor({ person, type: "login", data: { name: "Ada Lovelace" } });
		await shop.sandbox.waitFor({ person, type: "confirmation", data: { orderId: "A-1001" } });
		expect(errors).toEqual([]);
	});

	test("single-page app in the README works as described", async () => {
		const contents = blockWith('import { createTracker } from "eventferry"');
		shop = await startShop({ page: emptyPage, script: await bundle({ contents, folder: "react" }) });
		const { page, errors } = await visit();
		await page.goto("about:blank");
		await shop.sandbox.waitFor({ person, name: "basket:item:added" });
		await shop.sandbox.waitFor({ person, type: "confirmation", data: { orderId: "A-1001" } });
		expect(errors).toEqual([]);
	});

	test("consent tool in docs/browser.md works as described", async () => {
		const tool = blockWith("Wherever your consent tool", "docs/browser.md");
		const page = blockWith("window.eventferry = window", "docs/browser.md")
			.replace("https://shop.example", "")
			.replace("data-write-key", 'data-consent="pending" data-write-key');
		shop = await startShop({ page: `<!doctype html>${page}${tool}` });
		const { page: opened, errors } = await visit();
		await opened.waitForFunction("!Array.isArray(window.eventferry)");
		expect(await opened.evaluate("eventferry.state().consent")).toBe("pending");
		await opened.evaluate("onChoice(true)");
		await opened.goto("about:blank");
		await shop.sandbox.waitFor({ person, name: "basket:item:added" });
		expect(errors).toEqual([]);
	});

	test("single-page app in docs/browser.md works as described", async () => {
		const contents = blockWith("await tracker.flush()", "docs/browser.md");
		shop = await startShop({ page: emptyPage, script: await bundle({ contents, folder: "react" }) });
		const { errors } = await visit();
		await shop.sandbox.waitFor({ person, name: "basket:item:added" });
		await shop.sandbox.waitFor({ person, type: "update", data: { plan: "team" } });
		expect(errors).toEqual([]);
	});
});
