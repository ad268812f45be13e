import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { adminToken, event, type RunningProxy, runProxy } from "../support/proxy.ts";
import { serve, temporaryFolder } from "../support/served.ts";
import { storeTornBatch } from "../support/torn-batch.ts";
import { consolePages } from "./console-page.ts";

let pages: Awaited<ReturnType<typeof consolePages>>;
beforeAll(async () => {
	pages = await consolePages();
});
afterAll(() => pages.close());
const openPage = (url: string, options?: BrowserContextOptions) => pages.open(url, options);
const closePages = () => pages.closePages();

describe("the console, in Chromium", () => {
	let running: RunningProxy;
	beforeEach(async () => {
		running = await runProxy({ base: "/some/ferry" });
	});
	afterEach(() => running.stop());
	// Vitest runs the hook that was defined last first.
	afterEach(closePages);

	const ada = { email: "ada@example.com" };
	const refuse = { status: 400, body: { error: true, reason: "invalid_data" }, times: 1 };

	const signedIn = (options?: BrowserContextOptions) => pages.signedIn(running.url, options);
	it("draws its plot even if the browser names an unknown language", async () => {
		// Chromium names this language under the system locale C.
		const page = await signedIn({ locale: "en-US@posix" });
		expect(await page.locator(".plot canvas").count()).toBeGreaterThan(0);
	});

	/** Makes a dead letter. */
	async function deadLetter(name: string, at = Date.now()): Promise<void> {
		const refusals = () => running.sandbox.requests().filter(({ status }) => status === 400).length;
		const before = refusals();
		running.sandbox.addPerson("crisp", ada);
		running.sandbox.fault("crisp", refuse);
		await running.batch(event({ name, at, person: ada, data: { product: "mug" } }));
		await running.sandbox.until(() => refusals() > before);
	}

	it("asks for the token, refuses a wrong one, keeps the right one in this tab alone, and forgets it on signing out", async () => {
		const page = await openPage(`${running.url}/console`);
		await page.fill("#token", "wrong ✗");
		await page.getByRole("button", { name: "Open the console" }).click();
		await page.getByRole("alert").getByText("That is not the admin token.").waitFor();
		expect(await page.locator("#token").getAttribute("aria-invalid")).toBe("true");
		await page.fill("#token", adminToken);
		await page.keyboard.press("Enter");
		await page.getByRole("heading", { name: "Destinations" }).waitFor();
		await page.reload();
		await page.getByRole("heading", { name: "Destinations" }).waitFor();
		expect(page.url()).toBe(`${running.url}/console`);
		expect(await page.evaluate(() => localStorage.length)).toBe(0);
		const otherTab = await page.context().newPage();
		await otherTab.goto(page.url());
		await otherTab.waitForSelector("#token");
		await page.getByRole("button", { name: "Sign out" }).click();
		await page.waitForSelector("#token");
		await page.reload();
		await page.waitForSelector("#token");
	});

	it("shows each request live: its time, event, person, destination, route, outcome and duration", async () => {
		const page = await signedIn();
		await page.getByText("Nothing has been sent lately.").waitFor();
		running.sandbox.addPerson("crisp", ada);
		await running.batch(event({ person: ada }));
		await page.waitForSelector("tbody tr");
		const cells = await page.locator("tbody tr").first().locator("td").allInnerTexts();
		expect(cells).toEqual([
			expect.stringMatching(/^\d\d:\d\d:\d\d$/),
			"basket:item:added",
			"a***@example.com",
			"Crisp",
			"POST /website/…/people/events/…",
			expect.stringMatching(/^Delivered 200$/),
			expect.stringMatching(/^\d+\s*ms$/),
		]);
		await page.getByRole("button", { name: "Pause", exact: true }).click();
		await running.batch(event({ person: ada, name: "later" }));
		await running.settled(2);
		await page.getByText("Delivered", { exact: true }).first().waitFor();
		expect(await page.locator("tbody tr").count()).toBe(1);
		await page.getByRole("button", { name: "Resume", exact: true }).click();
		await page.locator("tbody tr", { hasText: "later" }).waitFor();
	});

	it("shows markup written by a visitor or a provider as plain text", async () => {
		const evil = `<img src=x onerror="alert(1)"> "><script>alert(2)</script>`;
		running.sandbox.addPerson("crisp", ada);
		running.sandbox.fault("crisp", {
			status: 400,
			body: { error: true, reason: evil, data: { message: evil } },
			times: 1,
		});
		const sentEvent = event({ name: evil, person: { email: "<b>@example.com" }, data: { [evil]: evil } });
		await running.batch(sentEvent);
		const page = await signedIn();
		await page.locator("tbody tr", { hasText: evil }).first().waitFor();
		await page.locator(".letter strong", { hasText: evil }).waitFor();
		await page.locator(".letter summary").click();
		await page.fill("#wanted", sentEvent.id);
		await page.keyboard.press("Enter");
		await page.locator(".journey h3", { hasText: evil }).waitFor();
		expect(await page.locator("main img, main script, main b").count()).toBe(0);
	});

	it("replays a dead letter, once it has said how old the event is and been confirmed", async () => {
		await deadLetter("needs another try", Date.now() - 50 * 3_600_000);
		const page = await signedIn();
		const letter = page.locator(".letter", { hasText: "needs another try" });
		await letter.getByText("Not delivered because “invalid_data”").waitFor();
		const replay = letter.getByRole("button", { name: "Replay" });
		await replay.click();
		const dialog = page.getByRole("dialog");
		await dialog.getByText("Replay “needs another try”? 1 event happened 2 days ago.").waitFor();
		await dialog.getByText("automations may write to people").waitFor();
		await dialog.getByRole("button", { name: "Cancel" }).click();
		await dialog.waitFor({ state: "detached" });
		expect((await (await running.admin("/deadletters")).json()).items).toHaveLength(1);
		await replay.click();
		await dialog.getByRole("button", { name: "Replay" }).click();
		await page.getByText("1 event will be sent again.").waitFor();
		await running.sandbox.until((requests) => requests.at(-1)?.status === 200);
		await page.getByText("Nothing: no event was given up.").waitFor();
	});

	it("asks before it discards a dead letter, and keeps it if the answer is no", async () => {
		await deadLetter("a poor thing");
		const page = await signedIn();
		const discard = page.getByRole("button", { name: "Discard a poor thing" });
		for (const keep of [
			() => page.getByRole("button", { name: "Keep" }).click(),
			() => page.keyboard.press("Escape"),
		]) {
			await discard.click();
			await page.getByRole("dialog").getByText("Discard “a poor thing”?").waitFor();
			await keep();
			// A closed dialog has no role, but is there until the page has heard of it.
			await page.locator("dialog").waitFor({ state: "detached" });
		}
		expect((await (await running.admin("/deadletters")).json()).items).toHaveLength(1);
		await discard.click();
		await page.getByRole("dialog").getByRole("button", { name: "Discard" }).click();
		await page.getByText("1 event discarded.").waitFor();
		expect((await (await running.admin("/deadletters")).json()).items).toEqual([]);
	});

	it("replays and discards all dead letters of a destination", async () => {
		const hour = 3_600_000;
		await deadLetter("one", Date.now() - 75 * hour);
		await deadLetter("two", Date.now() - 5.5 * hour);
		const page = await signedIn();
		await page.getByRole("combobox", { name: "Destination" }).selectOption("crisp");
		await page.locator(".letter", { hasText: "two" }).waitFor();
		await page.getByRole("button", { name: "Discard all" }).click();
		await page.getByRole("dialog").getByText("Discard everything for Crisp?").waitFor();
		await page.getByRole("dialog").getByRole("button", { name: "Keep" }).click();
		await page.getByRole("button", { name: "Replay all" }).click();
		await page
			.getByRole("dialog")
			.getByText("Replay everything for Crisp? 2 events happened between 5 hours and 3 days ago.")
			.waitFor();
		await page.getByRole("dialog").getByRole("button", { name: "Replay" }).click();
		await page.getByText("2 events will be sent again.").waitFor();
	});

	it("shows further pages of dead letters", async () => {
		running.sandbox.addPerson("crisp", ada);
		running.sandbox.fault("crisp", { ...refuse, times: 60 });
		await running.batch(...Array.from({ length: 60 }, (_, index) => event({ name: `letter ${index}`, person: ada })));
		await running.settled(60);
		const page = await signedIn();
		await page.locator(".letter", { hasText: "letter 10" }).waitFor();
		expect(await page.locator(".letter").count()).toBe(50);
		await page.getByRole("button", { name: "Show more" }).click();
		await page.locator(".letter", { hasText: /letter 0\b/ }).waitFor();
		expect(await page.locator(".letter").count()).toBe(60);
		await page.getByRole("button", { name: "Show more" }).waitFor({ state: "detached" });
	});

	it("shows a destination's state and its reason, waiting people, the longest wait, and the rest of the budget", async () => {
		running.sandbox.fault("crisp", { status: 401, body: { error: true, reason: "invalid_session" } });
		await running.batch(event(), event());
		const page = await signedIn();
		await page.getByText("Crisp is paused").waitFor();
		const card = page.locator(".destination");
		await card.getByText(/Paused until .* because “invalid_session”/).waitFor();
		await page.waitForFunction(() =>
			/People waiting\s+2\s+Oldest waits\s+\d+ second/.test(
				document.querySelector(".figures")?.textContent?.replaceAll(/(?<=\D)(?=\d)|(?<=\d)(?=[A-Z])/g, " ") ?? "",
			),
		);
		await card.getByText("9,990 of 10,000 requests left today").waitFor();
	});

	it("says how many attributes were left out, and which names are refused, whatever is in them", async () => {
		running.sandbox.addPerson("crisp", ada);
		const body = { error: true, reason: "invalid_data" };
		running.sandbox.fault("crisp", { status: 400, body, path: /\/data\//, times: 1 });
		await running.batch(
			event({ type: "login", name: undefined, person: ada, data: { plan: "pro", "<b>Name</b>": 1 } }),
		);
		await running.settled(1);
		const page = await signedIn();
		const sentence = "Left out 1 attribute value that it cannot hold or that may not be set.";
		await page.locator(".destination").getByText(`${sentence} It refuses the names <b>Name</b>.`).waitFor();
	});

	/** Resolves to the number of the plot's pixels in the colour of its line, and that colour. */
	const drawn = (page: Page) =>
		page.evaluate(() => {
			const canvas = document.querySelector<HTMLCanvasElement>(".plot canvas");
			const line = getComputedStyle(document.querySelector(".plot") as Element).stroke;
			const [r = 0, g = 0, b = 0] = line.match(/\d+/g)?.map(Number) ?? [];
			const { data } = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
			let count = 0;
			for (let at = 0; at < data.length; at += 4)
				if (Math.abs((data[at] ?? 0) - r) + Math.abs((data[at + 1] ?? 0) - g) + Math.abs((data[at + 2] ?? 0) - b) < 30)
					if ((data[at + 3] ?? 0) > 200) count += 1;
			return { count, line };
		});

	it("draws the last 24 hours of a budget, in light and dark, and describes them in words", async () => {
		running.sandbox.addPerson("crisp", ada);
		await running.batch(event({ person: ada }));
		await running.settled(1);
		const lines: string[] = [];
		for (const colorScheme of ["light", "dark"] as const) {
			const page = await signedIn({ colorScheme });
			const { count, line } = await drawn(page);
			expect(count).toBeGreaterThan(100);
			lines.push(line);
			const plot = page.getByRole("img", { name: /^Crisp: \d+ requests in the last 24 hours, most between/ });
			await plot.waitFor();
			const box = await plot.boundingBox();
			await page.mouse.move((box?.x ?? 0) + (box?.width ?? 0) - 6, (box?.y ?? 0) + 30);
			await page.getByText(/^\d\d:\d\d to \d\d:\d\d: \d+ requests$/).waitFor();
		}
		expect(new Set(lines).size).toBe(2);
	});

	it("is light or dark like the reader's system", async () => {
		const background = async (colorScheme: "light" | "dark") => {
			const page = await openPage(`${running.url}/console`, { colorScheme });
			await page.waitForSelector("#token");
			const colour = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
			return Math.max(...(colour.match(/\d+/g)?.map(Number) ?? []));
		};
		expect(await background("light")).toBeGreaterThan(220);
		expect(await background("dark")).toBeLessThan(60);
	});

	it("needs no horizontal scrolling at 400 pixels, even with long words", async () => {
		const long = "a-name-without-a-place-to-break-it-".repeat(3);
		await deadLetter(long);
		const sentEvent = event({ person: { email: `${"x".repeat(60)}@${"y".repeat(60)}.example` }, name: long });
		await running.batch(sentEvent);
		await running.settled(2);
		const page = await signedIn({ viewport: { width: 400, height: 800 } });
		await page.locator("tbody tr", { hasText: long }).first().waitFor();
		await page.locator(".letter summary").click();
		await page.fill("#wanted", sentEvent.id);
		await page.keyboard.press("Enter");
		await page.waitForSelector(".journey");
		const widths = () =>
			page.evaluate(() => [document.documentElement.scrollWidth, document.querySelector(".table")?.scrollWidth]);
		const [whole = 0, table = 0] = await widths();
		expect(whole).toBe(400);
		expect(table).toBeLessThanOrEqual(376);
	});

	it("finds all events of a person, and shows the journey of each", async () => {
		await deadLetter("a lost thing");
		await running.batch(event({ person: ada, name: "a good thing" }));
		await running.settled(2);
		const page = await signedIn();
		await page.getByLabel("Find an event or a person").fill("ADA@example.com");
		await page.getByRole("button", { name: "Search" }).click();
		await page.getByText("2 events found.").waitFor();
		const [good, lost] = await page.locator(".journey").allInnerTexts();
		expect(good).toMatch(/a good thing[\s\S]*Taken in at[\s\S]*Crisp\s+Delivered[\s\S]*Delivered at/);
		expect(lost).toMatch(
			/a lost thing[\s\S]*Not delivered[\s\S]*Refused[\s\S]*400[\s\S]*Given up at .* because “invalid_data”/,
		);
		await page.locator(".journey", { hasText: "a lost thing" }).getByRole("button", { name: "Replay" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "Replay" }).click();
		await page.getByText("1 event will be sent again.").waitFor();
		await page.getByRole("button", { name: "Close the search" }).click();
		expect(await page.locator(".journey").count()).toBe(0);
		await page.keyboard.type("nobody@example.com");
		await page.keyboard.press("Enter");
		await page.getByText("Nothing found for nobody@example.com.").waitFor();
	});

	it("explains what an event would cause at each destination, markup in it included, and sends nothing", async () => {
		const page = await signedIn();
		await page.getByLabel("An event, as JSON").fill('{"name":"<b>bold</b>","data":{"total":12}}');
		await page.getByRole("button", { name: "Explain" }).click();
		const explained = page.locator(".explained");
		await explained.getByRole("heading", { name: "Crisp" }).waitFor();
		const text = await explained.innerText();
		expect(text).toContain("Sent as track “<b>bold</b>”, by default.");
		expect(text).toMatch(/POST \/website\/[\w-]+\/people\/events\/visitor%40example\.com · answered: nobody found/);
		expect(text).toContain("Costs 3 requests of 10,000 a day.");
		expect(await explained.locator("b").count()).toBe(0);
		await page.getByLabel("An event, as JSON").fill("{");
		await page.keyboard.press("Tab");
		await page.keyboard.press("Enter");
		await page.getByText("This is not JSON.").waitFor();
		expect(running.sandbox.requests()).toEqual([]);
	});

	it("can be used with the keyboard alone", async () => {
		await deadLetter("by keyboard");
		const page = await openPage(`${running.url}/console`);
		await page.waitForSelector("#token:focus");
		await page.keyboard.type(adminToken);
		await page.keyboard.press("Enter");
		await page.locator(".letter").waitFor();
		const focused = () =>
			page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);
		const tabTo = async (name: string) => {
			for (let press = 0; press < 40; press += 1) {
				await page.keyboard.press("Tab");
				if ((await focused()) === name) return;
			}
			throw new Error(`${name} cannot be reached`);
		};
		await tabTo("Skip to the content");
		await page.keyboard.press("Enter");
		await tabTo("Discard by keyboard");
		const outline = await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle);
		expect(outline).toBe("solid");
		await page.keyboard.press("Enter");
		await page.getByRole("dialog").waitFor();
		expect(await focused()).toBe("Keep");
		await page.keyboard.press("Enter");
		// A closed dialog has no role, but is there until the page has heard of it.
		await page.locator("dialog").waitFor({ state: "detached" });
		expect(await focused()).toBe("Discard by keyboard");
		await page.keyboard.press("Shift+Tab");
		expect(await focused()).toBe("Replay by keyboard");
		await page.keyboard.press("Enter");
		await page.getByRole("dialog").waitFor();
		expect(await focused()).toBe("Cancel");
		await page.keyboard.press("Tab");
		await page.keyboard.press("Enter");
		await page.getByText("1 event will be sent again.").waitFor();
		await tabTo("Requests, the newest first");
	});

	it("reports that the proxy does not answer, and goes on once it does", async () => {
		running.sandbox.addPerson("crisp", ada);
		await running.batch(event({ person: ada }));
		const page = await signedIn();
		await page.waitForSelector("tbody tr");
		// The browser itself logs a 503.
		page.removeAllListeners("console");
		await running.proxy.stop();
		await page.getByText("The event store does not answer now.").waitFor();
		await page.getByText("Not connected. Trying again.").waitFor();
		await running.proxy.start();
		await page.getByText("Requests as they are sent").waitFor();
		await running.batch(event({ person: ada, name: "after the stop" }));
		await page.locator("tbody tr", { hasText: "after the stop" }).waitFor();
		await page.waitForSelector(".banner:empty", { state: "attached" });
	});
});

it("the console reports batches that were set aside, retries and discards them", async () => {
	const folder = temporaryFolder();
	await storeTornBatch(`${folder.path}/store.db`, [1_000_001]);
	const args = ["--sandbox", "--port", "0", "--store", `sqlite:${folder.path}/store.db`];
	const proxy = await serve({ PATH: process.env.PATH ?? "" }, args);
	const page = await openPage(`${proxy.url}/console`);
	await page.getByText("1 batch set aside").waitFor();
	await page
		.getByRole("status")
		.getByText("1 batch of events could not be sorted; the log says why. Each start of the proxy tries again.")
		.waitFor();
	const section = page.locator("section", { hasText: "Set aside" });
	await section.getByText("Not sorted because: it is not valid JSON").waitFor();
	await section.getByRole("button", { name: "Retry batch 1000001" }).click();
	await section.getByText("1 batch will be tried again.").waitFor();
	await section.getByRole("button", { name: "Discard all batches" }).click();
	await page.getByRole("dialog").getByRole("button", { name: "Keep" }).click();
	await section.getByRole("button", { name: "Discard batch 1000001" }).click();
	await page.getByRole("dialog").getByRole("button", { name: "Discard" }).click();
	await section.getByText("1 batch discarded.").waitFor();
	await page.getByText("All is running").waitFor();
	await closePages();
	expect(await proxy.stop()).toBe(0);
	folder.remove();
});

it("the console of `serve --sandbox` needs no token, and the shop links to it", async () => {
	const folder = temporaryFolder();
	const args = ["--sandbox", "--port", "0", "--store", `sqlite:${folder.path}/store.db`];
	const proxy = await serve({ PATH: process.env.PATH ?? "" }, args);
	const page = await openPage(proxy.url);
	await page.getByRole("link", { name: /console/i }).click();
	await page.waitForSelector(".plot canvas");
	expect(page.url()).toBe(`${proxy.url}/console`);
	expect(await page.getByRole("button", { name: "Sign out" }).count()).toBe(0);
	expect(await page.locator(".destination h3").allInnerTexts()).toEqual(
		["Crisp", "HelpCrunch", "Vibetrace"].map((title) => expect.stringContaining(title)),
	);
	await closePages();
	expect(await proxy.stop()).toBe(0);
	folder.remove();
});
