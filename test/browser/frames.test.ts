import type { Frame, Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { type Loaded, login, useWorld, world } from "./page.ts";
import { problem, scriptTag, stub } from "./site.ts";

useWorld();

/** Opens a page of Chromium, which lets a test into its frames. Other engines do not run this file. */
const newPage = async () => (await world.visitor.newPage()) as Page;

/** Records 100 events of 1.2 KB, more than a page may send as it goes. */
const trackMany = (page: Page | Frame) =>
	page.evaluate(() => {
		const { eventferry } = window as unknown as Loaded;
		eventferry.login({ email: "ada@example.com" });
		for (let n = 0; n < 100; n++) eventferry.track(`event ${n}`, { text: "x".repeat(1_000) });
	});

const waiting = (page: Page | Frame) => page.evaluate(() => (window as unknown as Loaded).eventferry.state().waiting);

/** Records more events than fit in one request, and one as the page closes. All are sent, as nothing can be stored. */
const sendsAll = async (page: Page, frame: Page | Frame = page) => {
	await trackMany(frame);
	await world.site.until(() => world.site.counts().size === 101);
	await expect.poll(() => waiting(frame)).toBe(0);
	await frame.evaluate(() => (window as unknown as Loaded).eventferry.track("as it goes"));
	await page.close({ runBeforeUnload: true });
	await world.site.until(() => world.site.names().includes("as it goes"));
	expect([...world.site.counts().values()]).toEqual(Array(102).fill(1));
};

describe("in a frame without an origin", () => {
	const openFrame = async (attributes: string, inside = "") => {
		world.site.policy(`frame-src 'self'; script-src ${world.site.origin} 'unsafe-inline'`);
		world.site.pages.set("/frame", inside);
		world.site.pages.set("/shop", `<iframe sandbox="allow-scripts" ${attributes}></iframe>`);
		const page = await newPage();
		const lines: string[] = [];
		page.on("console", (message) => message.text().startsWith("eventferry") && lines.push(message.text()));
		await page.goto(`${world.site.origin}/shop`);
		return { page, frame: page.frames()[1] as Frame, lines };
	};
	const absolute = (attributes = "") =>
		scriptTag(attributes).replace("/ferry/client.js", `${world.site.origin}/ferry/client.js`);
	const srcdoc = (html: string) => `srcdoc="${html.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"`;

	test("events go out while the page is shown, and as it goes", async () => {
		const { page, frame } = await openFrame('src="/frame"', scriptTag());
		await sendsAll(page, frame);
		expect(new Set(world.site.headers.map(({ origin }) => origin))).toEqual(new Set(["null"]));
		expect(world.site.preflights()).toBe(0);
	});

	test("a document in the page's own HTML sends to the script's address", async () => {
		const { page, frame } = await openFrame(srcdoc(absolute()));
		await sendsAll(page, frame);
	});

	test("where the site does not take them, one line says so", async () => {
		world.site.answerWith(() => problem(403, "origin_not_allowed"));
		const { frame, lines } = await openFrame('src="/frame"', scriptTag());
		await trackMany(frame);
		await expect.poll(() => lines).toEqual(["eventferry: stopped: origin_not_allowed"]);
	});

	test("a proxy without a host, one line says so, and nothing is sent to another address", async () => {
		const { frame, lines } = await openFrame(
			srcdoc(`<base href="${world.site.origin}/elsewhere/">${absolute('data-proxy="/ferry"')}`),
		);
		await trackMany(frame);
		await expect.poll(() => lines).toEqual(["eventferry: stopped: proxy: not a URL"]);
		expect(world.site.batches).toEqual([]);
	});
});

describe("the proxy's path is on the page's own origin", () => {
	test("whatever `<base>` says", async () => {
		const { origin } = world.site;
		world.site.policy("script-src 'self' 'unsafe-inline'; base-uri *");
		world.site.pages.set(
			"/based",
			`<base href="https://cdn.example/">${stub}
			<script src="${origin}/ferry/client.js" data-write-key="site_test" data-proxy="/ferry"></script>`,
		);
		const page = await newPage();
		await page.goto(`${origin}/based`);
		await page.evaluate((login) => (window as unknown as Loaded).eventferry.push(login), login);
		await page.close({ runBeforeUnload: true });
		await world.site.until(() => world.site.names().includes("login"));
	});

	test("also in a frame whose document is in the page's HTML", async () => {
		const { origin } = world.site;
		world.site.policy("frame-src 'self'; script-src 'self' 'unsafe-inline'");
		world.site.pages.set(
			"/framed",
			`<base href="https://cdn.example/"><iframe srcdoc="<script src='${origin}/ferry/client.js' data-write-key='site_test' data-proxy='/ferry'></script>"></iframe>`,
		);
		const page = await newPage();
		await page.goto(`${origin}/framed`);
		const frame = page.frames()[1] as Frame;
		await frame.evaluate(async (login) => {
			const { eventferry } = window as unknown as Loaded;
			eventferry.push(login);
			await eventferry.flush();
		}, login);
		expect(world.site.names()).toEqual(["login"]);
	});
});
