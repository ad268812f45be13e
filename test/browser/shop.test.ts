import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SandboxRequest } from "../../server/sandbox/index.ts";
import { delivered, type Served, serve, stats, temporaryFolder } from "../support/served.ts";
import { type Chromium, launchChromium } from "./chromium.ts";

/** Resolves to the number of requests that the proxy has sent to all providers. */
async function requestsSent(url: string): Promise<number> {
	const { destinations } = await stats(url);
	return Object.values(destinations as Record<string, { requests: number }>).reduce(
		(sum, { requests }) => sum + requests,
		0,
	);
}

/** Resolves to all requests that the simulated providers have received, read as the page's live log reads them. */
async function received(url: string): Promise<SandboxRequest[]> {
	const count = await requestsSent(url);
	const response = await fetch(`${url}/sandbox/log`);
	const decoder = new TextDecoder();
	let text = "";
	for await (const chunk of response.body ?? []) {
		text += decoder.decode(chunk, { stream: true });
		const lines = text.split("\n\n");
		if (lines.length > count) return lines.slice(0, count).map((line) => JSON.parse(line.replace("data: ", "")));
	}
	throw new Error("the log ended early");
}

describe("the shop of `eventferry serve --sandbox`, in Chromium", () => {
	const folder = temporaryFolder();
	let chromium: Chromium;
	let proxy: Served;
	beforeAll(async () => {
		chromium = await launchChromium();
		const env = { PATH: process.env.PATH ?? "" };
		proxy = await serve(env, ["--sandbox", "--port", "0", "--store", `sqlite:${folder.path}/store.db`]);
	});
	afterAll(async () => {
		await chromium.close();
		expect(await proxy.stop()).toBe(0);
		folder.remove();
	});

	/** Clicks, and waits until the page shows a state. */
	async function click(page: Page, selector: string, state: RegExp): Promise<void> {
		await page.click(selector);
		await page.waitForFunction(
			(pattern) => new RegExp(pattern).test(document.querySelector("#state")?.textContent ?? ""),
			state.source,
		);
	}

	it("a visit from anonymous browsing to a purchase reaches each provider once, in order", async () => {
		const page = await (await chromium.visitor()).newPage();
		page.setDefaultTimeout(10_000);
		const errors: string[] = [];
		page.on("pageerror", (error) => errors.push(error.message));
		page.on("console", (message) => {
			if (message.type() === "error") errors.push(message.text());
		});
		await page.goto(proxy.url);
		await page.waitForFunction(() => "state" in (window as unknown as { eventferry: object }).eventferry);

		await click(page, "[data-view=lamp]", /Anonymous · 1 event held/);
		await click(page, "[data-add=lamp]", /Anonymous · 2 events held/);
		expect(await requestsSent(proxy.url)).toBe(0);

		await page.fill("#email", "Ada@Example.com");
		await page.fill("#name", "Ada Lovelace");
		await click(page, "#login", /Logged in as Ada@Example\.com · nothing held, nothing waiting/i);
		await click(page, "[data-add=mug]", /nothing held, nothing waiting/);
		// The purchase is the last thing before the page goes away.
		await page.click("#buy");
		await page.close({ runBeforeUnload: false });
		await delivered(proxy.url);

		const requests = await received(proxy.url);
		const brief = (destination: string) =>
			requests
				.filter((request) => request.destination === destination)
				.map(({ method, path, query, body, status }) => [`${method} ${path}${query ? `?${query}` : ""}`, body, status]);
		const orderId = expect.stringMatching(/^A-/);
		const lamp = { product: "Lighthouse lamp", price: 49 };
		const mug = { product: "Enamel mug", price: 12 };
		const order = {
			orderId,
			total: 61,
			items: [
				{ id: "lamp", quantity: 1 },
				{ id: "mug", quantity: 1 },
			],
		};

		const website = requests.find(({ destination }) => destination === "crisp")?.path.split("/")[2];
		const people = `/website/${website}/people`;
		const ada = "ada%40example.com";
		const crispEvent = (body: unknown, status: number) => [`POST ${people}/events/${ada}`, body, status];
		const viewed = { text: "product:viewed", data: lamp };
		const added = (product: object) => ({ text: "basket:item:added", color: "blue", data: product });
		expect(brief("crisp")).toEqual([
			crispEvent(viewed, 404),
			[`POST ${people}/profile`, { email: "ada@example.com", person: { nickname: "Ada Lovelace" } }, 201],
			crispEvent(viewed, 200),
			crispEvent(added(lamp), 200),
			[`PATCH ${people}/data/${ada}`, { data: { favourite: "lighthouses" } }, 200],
			crispEvent(added(mug), 200),
			crispEvent({ text: "confirmation", color: "green", data: order }, 200),
		]);

		const customer = expect.any(Number);
		const helpCrunchEvent = (name: string, data: unknown) => ["POST /events", { customer, name, data }, 200];
		const search = {
			filter: [{ field: "customers.email", operator: "=", value: "ada@example.com" }],
			limit: 100,
			offset: 0,
		};
		expect(brief("helpcrunch")).toEqual([
			["POST /customers/search", search, 200],
			["POST /customers", { email: "ada@example.com", name: "Ada Lovelace" }, 201],
			helpCrunchEvent("product:viewed", lamp),
			helpCrunchEvent("basket:item:added", lamp),
			[
				expect.stringMatching(/^PATCH \/customers\/\d+$/),
				{ customData: [{ property: "favourite", value: "lighthouses" }] },
				200,
			],
			helpCrunchEvent("basket:item:added", mug),
			helpCrunchEvent("confirmation", order),
		]);

		const user = { email: "ada@example.com" };
		const vibetraceEvent = (event: unknown, status = 200) => ["POST /event", { user, event }, status];
		const generic = (name: string, product: object) => ({ generic: { generic: { ...product, event_name: name } } });
		expect(brief("vibetrace")).toEqual([
			vibetraceEvent(generic("product:viewed", lamp), 400),
			[`PUT /user/${ada}?upsert=true`, {}, 200],
			vibetraceEvent(generic("product:viewed", lamp)),
			vibetraceEvent(generic("basket:item:added", lamp)),
			vibetraceEvent({ update: { name: "Ada Lovelace", favourite: "lighthouses" } }),
			vibetraceEvent(generic("basket:item:added", mug)),
			vibetraceEvent({ confirmation: order }),
		]);
		expect(errors).toEqual([]);
		expect(JSON.stringify(requests.map(({ headers }) => headers))).not.toMatch(/Basic \w|Bearer \w/);
	});

	it("a switch makes a provider fail, the page says that the event waits, and it arrives once the switch is off", async () => {
		const page = await (await chromium.visitor({ viewport: { width: 390, height: 800 } })).newPage();
		page.setDefaultTimeout(60_000);
		await page.goto(proxy.url);
		await page.waitForFunction(() => "state" in (window as unknown as { eventferry: object }).eventferry);
		await page.fill("#email", "bob@example.com");
		const crisp = page.getByRole("group", { name: "Crisp" });
		await crisp.getByText("Requests go out.").waitFor();
		await crisp.getByLabel("Key refused (401)").check();
		await page.click("#login");
		await crisp.getByText(/Paused because of .* 1 event waits/).waitFor();
		await page
			.getByRole("group", { name: "HelpCrunch" })
			.getByText(/Requests go out.*delivered/)
			.waitFor();
		expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
		await page.reload();
		await crisp.getByLabel("Key refused (401)").and(page.locator(":checked")).waitFor();
		await crisp.getByLabel("Works").check();
		await crisp.getByRole("button", { name: "Try again now" }).click();
		await crisp.getByText(/^Requests go out\..*delivered so far\.$/).waitFor();
		const newest = page.locator("#log li", { hasText: "Crisp" }).first();
		await newest.locator("summary").click();
		await newest.getByText("authorization: Basic ***").waitFor();
		await page.close();
	});
});
