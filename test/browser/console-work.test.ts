import { readFileSync } from "node:fs";
import type { AxeResults } from "axe-core";
import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { adminToken, event, type RunningProxy, runProxy } from "../support/proxy.ts";
import { serve, temporaryFolder } from "../support/served.ts";
import { consolePages } from "./console-page.ts";

let pages: Awaited<ReturnType<typeof consolePages>>;
beforeAll(async () => {
	pages = await consolePages();
});
afterAll(() => pages.close());

const axe = readFileSync("node_modules/axe-core/axe.min.js", "utf8");
/** Lists the findings of axe in a page, each with the elements that it is about. */
async function findingsIn(page: Page): Promise<string[]> {
	// Evaluated by the debugger, which the page's policy does not bind.
	await page.evaluate(axe);
	const { violations } = await page.evaluate<AxeResults>("axe.run(document, { resultTypes: ['violations'] })");
	return violations.flatMap(({ id, nodes }) =>
		nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
	);
}
const screens = [390, 1280].flatMap((width) =>
	(["light", "dark"] as const).map((colorScheme) => ({ viewport: { width, height: 900 }, colorScheme })),
);
const widthOf = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth);

describe("the console, at work", () => {
	let running: RunningProxy;
	beforeEach(async () => {
		running = await runProxy({ base: "/some/ferry", site: ({ vibetrace }) => ({ vibetrace }) });
		for (const name of ["crisp", "vibetrace"] as const) running.sandbox.addPerson(name, ada);
	});
	afterEach(() => running.stop());
	// Vitest runs the hook that was defined last first.
	afterEach(() => pages.closePages());

	const ada = { email: "ada@example.com" };
	const signedIn = (options?: BrowserContextOptions, hash?: string) => pages.signedIn(running.url, options, hash);

	/** Makes dead letters at Crisp, one for each event, refused for a reason. */
	async function deadLetters(reason: string, ...names: string[]): Promise<void> {
		const dead = async () => (await (await running.admin("/stats")).json()).destinations.crisp.dead as number;
		const before = await dead();
		running.sandbox.fault("crisp", { status: 400, body: { error: true, reason }, times: names.length });
		await running.batch(...names.map((name) => event({ name, person: ada, data: { note: "Ada’s note" } })));
		await expect.poll(dead).toBe(before + names.length);
	}

	it("has no findings of axe and no horizontal scrolling, narrow or wide, light or dark", async () => {
		const signIn = await pages.open(`${running.url}/console`);
		await signIn.waitForSelector("#token");
		expect(await findingsIn(signIn)).toEqual([]);
		await deadLetters("invalid_data", "one", "two");
		await deadLetters("other", "three");
		await running.admin("/destinations/vibetrace/pause", { method: "POST" });
		await running.batch(event({ name: "waits", person: ada }));
		await running.sandbox.until((requests) => requests.filter(({ status }) => status === 200).length > 0);
		for (const screen of screens) {
			const page = await signedIn(screen);
			await page.locator("tbody tr", { hasText: "three" }).first().getByRole("link").click();
			await page.locator(".journey summary", { hasText: "What was sent" }).click();
			await page.locator(".exchanges").waitFor();
			await page.evaluate(() => {
				for (const each of document.querySelectorAll("details")) each.open = true;
			});
			await page.getByLabel("An event, as JSON").fill('{"name":"x"}');
			await page.getByRole("button", { name: "Explain" }).click();
			await page.locator(".explained h3").first().waitFor();
			expect(await findingsIn(page)).toEqual([]);
			expect(await widthOf(page)).toBe(screen.viewport.width);
			await page.getByRole("button", { name: "Discard all" }).click();
			await page.getByRole("dialog").waitFor();
			expect(await findingsIn(page)).toEqual([]);
		}
	});

	it("pauses and resumes a destination, with the keyboard alone", async () => {
		const page = await signedIn({ viewport: { width: 390, height: 800 } });
		const card = page.locator(".destination", { hasText: "Crisp" });
		await card.getByRole("button", { name: "Pause Crisp" }).focus();
		await page.keyboard.press("Enter");
		await page.getByRole("dialog").getByText("It gets no requests until you resume it").waitFor();
		await page.keyboard.press("Escape");
		// A closed dialog has no role, but is there until the page has heard of it.
		await page.locator("dialog").waitFor({ state: "detached" });
		expect((await (await fetch(`${running.url}/readyz`)).json()).destinations.crisp).toBe("running");
		const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
		await expect.poll(focused).toBe("Pause Crisp");
		await page.keyboard.press("Enter");
		await page.getByRole("dialog").waitFor();
		await page.keyboard.press("Tab");
		await page.keyboard.press("Enter");
		await card.getByText(/An operator paused it at \d\d:\d\d\./).waitFor();
		await page.getByText("Crisp is paused").waitFor();
		await running.batch(event({ name: "kept", person: ada }));
		await page.fill("#wanted", "ada@example.com");
		await page.keyboard.press("Enter");
		await page.getByText("An operator has paused Crisp: it waits until that is resumed.").waitFor();
		await card.getByRole("button", { name: "Resume Crisp" }).focus();
		await page.keyboard.press("Space");
		await card.getByText("Running").waitFor();
		await running.settled(1);
	});

	it("leads from a live request to what was sent and answered: masked, until people are shown", async () => {
		await running.batch(event({ name: "sale", person: ada, data: { note: "Ada’s note" } }));
		await running.settled(1);
		const page = await signedIn();
		await page.locator("tbody tr", { hasText: "Crisp" }).getByRole("link", { name: "sale" }).click();
		const journey = page.locator(".journey");
		await journey.locator("summary", { hasText: "What was sent" }).click();
		const sent = journey.locator(".exchanges pre").first();
		await sent.getByText('"note": "A***"').waitFor();
		await journey.getByText("a***@example.com", { exact: true }).waitFor();
		const whole = () => page.evaluate(() => document.body.innerText);
		expect(await whole()).not.toMatch(/Ada|ada@/);
		await page.getByRole("switch", { name: "Show people" }).click();
		await sent.getByText('"note": "Ada’s note"').waitFor();
		await journey.getByText("ada@example.com", { exact: true }).waitFor();
		await page.locator("tbody tr", { hasText: "ada@example.com" }).first().waitFor();
		expect(page.url()).toMatch(/\/console#event=[\da-f-]{36}$/);
		const url = page.url();
		// People are hidden at once, however long the masked answer takes.
		await page.route(/\/admin\/(exchanges|live)/, () => {});
		await page.getByRole("switch", { name: "Show people" }).click();
		await journey.getByText("a***@example.com", { exact: true }).waitFor();
		expect(await whole()).not.toMatch(/Ada’s note|ada@/);
		await page.goto("about:blank");
		await page.goto(url);
		await page.locator(".journey h3", { hasText: "sale" }).waitFor();
		expect(await whole()).not.toMatch(/ada@/);
	});

	it("leads with the keyboard alone to what was sent, to people, and to dead letters by their filter", async () => {
		await deadLetters("invalid_data", "one");
		await deadLetters("other", "two");
		await running.batch(event({ name: "sale", person: ada, data: { note: "Ada’s note" } }));
		await running.settled(3);
		const page = await signedIn();
		/** Presses Tab until the element with this text has the focus, then the key. */
		async function reach(text: RegExp, key: string): Promise<void> {
			for (let presses = 0; presses < 200; presses += 1) {
				await page.keyboard.press("Tab");
				if (text.test(await page.evaluate(() => (document.activeElement as HTMLElement).innerText))) {
					await page.keyboard.press(key);
					return;
				}
			}
			throw new Error(`Tab does not lead to ${text}`);
		}
		await page.locator("tbody tr", { hasText: "sale" }).first().waitFor();
		await reach(/^sale$/, "Enter");
		const journey = page.locator(".journey");
		await journey.locator("summary", { hasText: "What was sent" }).waitFor();
		await reach(/^What was sent/, "Enter");
		await journey.locator(".exchanges pre").first().waitFor();
		await reach(/^Show people$/, "Space");
		await journey.getByText('"note": "Ada’s note"').first().waitFor();
		await reach(/Crisp: “invalid_data”$/, "Enter");
		const letters = async () => (await page.locator(".letter strong").allInnerTexts()).join();
		await expect.poll(letters).toBe("one");
		await reach(/^Show all$/, "Enter");
		await expect.poll(letters).toBe("two,one");
	});

	it("shows destinations of one’s own as it shows the providers: cards, pauses, explanations", async () => {
		await pages.closePages();
		await running.stop();
		const own = { send: async () => ({ kind: "delivered" as const }) };
		running = await runProxy({
			base: "/some/ferry",
			site: { crisp: undefined, destinations: { slack: own, hook: { url: "https://hooks.example/x" } } },
		});
		await running.admin("/destinations/hook/pause", { method: "POST" });
		await running.batch(event({ name: "sale", person: ada }));
		const page = await signedIn();
		const cards = page.locator(".destination");
		await cards
			.filter({ hasText: "slack" })
			.getByText(/^1 event delivered/)
			.waitFor();
		await cards.filter({ hasText: "hook" }).getByRole("button", { name: "Resume hook" }).waitFor();
		await page.locator("tbody tr", { hasText: "slack" }).getByRole("link", { name: "sale" }).click();
		await page.locator(".journey").getByText("An operator has paused hook: it waits until that is resumed.").waitFor();
		await page.getByLabel("An event, as JSON").fill('{"name":"sale"}');
		await page.getByRole("button", { name: "Explain" }).click();
		const explained = page.locator(".explained");
		for (const name of ["slack", "hook"]) await explained.getByRole("heading", { name }).waitFor();
		expect(await explained.innerText()).toContain("Sent as track “sale”, by default.");
	});

	it("copies an event’s id and what was sent", async () => {
		const sale = event({ name: "sale", person: ada });
		await running.batch(sale);
		await running.settled(1);
		const page = await signedIn(undefined, `#event=${sale.id}`);
		await page.getByRole("button", { name: "Copy the id of sale" }).click();
		await page.getByText("Copied").waitFor();
		await page.fill("#wanted", "");
		await page.focus("#wanted");
		await page.keyboard.press("Control+V");
		expect(await page.inputValue("#wanted")).toBe(sale.id);
	});

	it("filters and groups dead letters, keeps the filter in the address, and counts before it discards", async () => {
		await deadLetters("invalid_data", "one", "two");
		await deadLetters("other", "three");
		const page = await signedIn();
		const letters = async () => (await page.locator(".letter strong").allInnerTexts()).join();
		await expect.poll(letters).toBe("three,two,one");
		expect((await page.locator(".group").allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " "))).toEqual([
			"2 Crisp: “invalid_data”",
			"1 Crisp: “other”",
		]);
		await page.locator(".group", { hasText: "invalid_data" }).click();
		await expect.poll(letters).toBe("two,one");
		await page.getByLabel("Event", { exact: true }).fill("two");
		await page.keyboard.press("Tab");
		await expect.poll(letters).toBe("two");
		await page.getByLabel("Last tried").selectOption("hour");
		await page.waitForURL(/#destination=crisp&reason=invalid_data&name=two&since=hour$/);
		await page.reload();
		await expect.poll(letters).toBe("two");
		await page.getByRole("button", { name: "Show all" }).click();
		await expect.poll(letters).toBe("three,two,one");
		await page.getByRole("button", { name: "Discard 2 events for Crisp, invalid_data" }).click();
		const dialog = page.getByRole("dialog");
		await dialog
			.getByText("Discard everything for Crisp, because “invalid_data”? 2 events are deleted for good")
			.waitFor();
		await dialog.getByRole("button", { name: "Discard" }).click();
		await page.getByText("2 events discarded.").waitFor();
		await expect.poll(letters).toBe("three");
		await page.getByRole("button", { name: "Discard all" }).click();
		await dialog.getByText("1 event is deleted for good").waitFor();
	});

	it("never puts a person or the token into its address", async () => {
		const page = await signedIn();
		await page.fill("#wanted", "ada@example.com");
		await page.keyboard.press("Enter");
		await page.getByText("Nothing found for ada@example.com.").waitFor();
		expect(page.url()).not.toMatch(/ada|token/i);
		expect(page.url()).not.toContain(adminToken);
	});

	it("says what could not be loaded", async () => {
		await deadLetters("invalid_data", "one");
		const page = await signedIn();
		page.removeAllListeners("console");
		await page.locator(".letter").waitFor();
		const refuse = { status: 503, contentType: "application/problem+json", body: '{"code":"store_unavailable"}' };
		for (const part of ["deadletters", "history", "exchanges"])
			await page.route(`**/admin/${part}*`, (route) => route.fulfill(refuse));
		await page.getByLabel("Last tried").selectOption("day");
		await page.getByText("Not loaded. The event store does not answer now.").waitFor();
		await page.locator("tbody tr", { hasText: "one" }).getByRole("link").first().click();
		await page.locator(".journey summary", { hasText: "What was sent" }).click();
		await page.getByRole("alert").getByText("Not loaded.").waitFor();
		await page.reload();
		await page.getByText("The plots are not up to date.").waitFor();
	});

	it("names the time zone of its times, and tells when what waits is sent", async () => {
		await pages.closePages();
		await running.stop();
		running = await runProxy({ base: "/some/ferry", site: ({ crisp }) => ({ crisp: { ...crisp, budget: 2 } }) });
		running.sandbox.addPerson("crisp", ada);
		await running.batch(...Array.from({ length: 6 }, () => event({ person: ada })));
		await running.sandbox.until((requests) => requests.length === 2);
		const page = await signedIn({ timezoneId: "Asia/Kolkata" });
		await page.getByText("Times are in Asia/Calcutta, UTC+5:30").waitFor();
		await page
			.locator(".destination")
			.getByText(
				/^They wait for the budget, which refills evenly: next request at .*\d\d:\d\d, at this rate done by \w+.* \d\d:\d\d\.$/,
			)
			.waitFor();
		const plot = page.getByRole("img", {
			name: /^Crisp: .* the line: the 0 in 10 minutes for which the budget lasts$/,
		});
		await plot.waitFor();
	});

	it("plots deliveries, failures, durations and people waiting, in words too", async () => {
		await deadLetters("invalid_data", "one");
		await running.batch(event({ person: ada }));
		await running.settled(2);
		const page = await signedIn();
		for (const name of [
			/^Crisp: 1 event delivered and 1 failed request in the last 24 hours$/,
			/^Crisp: requests took \d+\s*ms in the mean lately/,
			/^Crisp: 0 people waiting lately/,
		])
			await page.getByRole("img", { name }).waitFor();
		const plots = page.locator(".destination", { hasText: "Crisp" }).locator(".plots .plot canvas");
		expect(await plots.count()).toBe(3);
	});
});

it("the shop has no findings of axe and no horizontal scrolling, narrow or wide, light or dark", async () => {
	const folder = temporaryFolder();
	const args = ["--sandbox", "--port", "0", "--store", `sqlite:${folder.path}/store.db`];
	const proxy = await serve({ PATH: process.env.PATH ?? "" }, args);
	for (const screen of screens) {
		const page = await pages.open(proxy.url, screen);
		await page.getByText("Requests go out.").first().waitFor();
		await page.click("#login");
		await page.locator("#log summary").first().click();
		expect(await findingsIn(page)).toEqual([]);
		expect(await widthOf(page)).toBe(screen.viewport.width);
	}
	await pages.closePages();
	expect(await proxy.stop()).toBe(0);
	folder.remove();
});
