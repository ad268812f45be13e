import { expect, test } from "vitest";
import { protocolOf } from "./chromium.ts";
import { isLeftOut } from "./engine.ts";
import {
	call,
	flush,
	hurry,
	type Loaded,
	listen,
	login,
	notices,
	open,
	state,
	stored,
	until,
	untilState,
	untilStored,
	useWorld,
	world,
} from "./page.ts";
import { type Answer, type Batch, problem, scriptTag, taken } from "./site.ts";

useWorld();

const html = { "Content-Type": "text/html" };
const failures: [what: string, answer: (batch: Batch) => Answer][] = [
	["the proxy is down", () => "down"],
	["500", () => ({ status: 500 })],
	["503 with Retry-After", () => ({ ...problem(503, "store_unavailable"), headers: { "Retry-After": "1" } })],
	["429 with Retry-After", () => ({ ...problem(429, "rate_limited"), headers: { "Retry-After": "1" } })],
	["429 without Retry-After", () => problem(429, "rate_limited")],
	["another server's 413", () => ({ status: 413, headers: html, body: "<h1>Too large</h1>" })],
	["another server's 202", () => ({ status: 202, body: "{}" })],
	["a captive portal", () => ({ status: 200, headers: html, body: "<h1>Log in to this Wi-Fi</h1>" })],
	["a redirect to a captive portal", () => ({ status: 302, headers: { Location: "/next" } })],
	["a reply that never comes", () => "never"],
	["a reply that is cut in half", (batch) => ({ ...taken(batch), isCut: true })],
];

test.each(failures)(
	"%s: nothing is lost, acknowledged events are sent once, and one request at a time",
	async (_, answer) => {
		await hurry(5);
		world.site.pages.set("/next", "Wi-Fi");
		world.site.answerWith(answer);
		const page = await open();
		await listen(page, "dropped", "rejected");
		await call(page, login, ...Array.from({ length: 30 }, (_, n) => ["track", `event ${n}`]));
		await flush(page);
		await untilStored(page, 31);
		expect(await state(page)).toMatchObject({ waiting: 31 });
		expect(world.site.mostAtOnce()).toBe(1);
		world.site.batches.length = 0;
		world.site.answerWith(taken);
		await until(
			async () => {
				await flush(page);
				return state(page);
			},
			({ waiting }) => waiting === 0,
		);
		expect(await notices(page)).toEqual([]);
		expect(world.site.names()).toEqual(["login", ...Array.from({ length: 30 }, (_, n) => `event ${n}`)]);
	},
);

const isAlwaysOnline = isLeftOut(["firefox", "webkit"], "only Chromium's protocol can take a page offline");

test.skipIf(isAlwaysOnline)(
	"offline: nothing is lost, and events are sent when the browser is online again",
	async () => {
		const page = await open();
		const session = await protocolOf(page);
		const setOffline = (offline: boolean) =>
			session.send("Network.emulateNetworkConditions", {
				offline,
				latency: 0,
				downloadThroughput: -1,
				uploadThroughput: -1,
			});
		await setOffline(true);
		await call(page, login, ["track", "in a tunnel"]);
		await flush(page);
		await flush(page);
		expect(await state(page)).toMatchObject({ waiting: 2 });
		await setOffline(false);
		await world.site.until(() => world.site.events().length === 2);
		await untilState(page, ({ waiting }) => waiting === 0);
		expect(world.site.names()).toEqual(["login", "in a tunnel"]);
	},
);

test("a backoff grows with each failure, has jitter, and survives a reload", async () => {
	world.site.answerWith(() => ({ status: 500 }));
	await world.visitor.addInitScript(() => {
		Math.random = () => 0.9;
	});
	const page = await open();
	const pause = () => page.evaluate(() => JSON.parse(localStorage["eventferry:site_test:pause"]));
	await call(page, login);
	const waits: number[] = [];
	for (let n = 0; n < 6; n++) {
		const start = Date.now();
		await flush(page);
		const [until, failures] = await pause();
		expect(failures).toBe(n + 1);
		waits.push(Math.floor((until - start) / 900));
	}
	// 90 % of 1, 2, 4, 8, 16 and 32 s, plus the duration of the flush itself.
	expect(waits.map((wait) => 2 ** Math.floor(Math.log2(wait)))).toEqual([1, 2, 4, 8, 16, 32]);
	expect(world.site.batches).toHaveLength(6);
	const before = await pause();
	await page.reload();
	// The new page has seen the waiting event, and does not send it during the backoff.
	await untilState(page, ({ waiting }) => waiting === 1);
	await call(page, ...Array.from({ length: 30 }, (_, n) => ["track", `event ${n}`]));
	// The login may be among them, or still in localStorage, where the closing page put it.
	await until(
		() => stored(page),
		({ length }) => length >= 30,
	);
	expect(await pause()).toEqual(before);
	// The closing page sent its events once more.
	expect(world.site.batches.length).toBeLessThanOrEqual(7);
});

test("a compressed batch that is refused with 415 is sent again uncompressed", async () => {
	const page = await open();
	world.site.answerWith((batch) => {
		const isZipped = world.site.headers.at(-1)?.["content-encoding"] === "gzip";
		return isZipped ? { status: 415, headers: html, body: "what is this" } : taken(batch);
	});
	await call(page, login, ...Array.from({ length: 15 }, (_, n) => ["track", `event ${n}`]));
	await flush(page);
	await flush(page);
	expect(world.site.headers.map((headers) => headers["content-encoding"])).toEqual(["gzip", undefined]);
	expect(await state(page)).toMatchObject({ waiting: 0 });
});

test("five page views on a healthy proxy, each left while a request is under way, leave no failure and no pause", async () => {
	for (let n = 1; n <= 5; n++) world.site.pages.set(`/${n}`, scriptTag("data-pages"));
	// Answers once the next page is asked for, so that each page is left during its request.
	world.site.answerWith(async (batch) => {
		const asked = world.site.paths.length;
		await world.site.until(() => world.site.paths.length > asked);
		return taken(batch);
	});
	const page = await open("/1");
	await call(page, login);
	for (let n = 1; n <= 5; n++) {
		if (n > 1) await page.goto(`${world.site.origin}/${n}`);
		await listen(page, "error");
		await page.evaluate(() => {
			void (window as unknown as Loaded).eventferry.flush();
		});
		await world.site.until(() => world.site.names().filter((name) => name === "page").length >= n);
		expect(await notices(page)).toEqual([]);
		const [until = 0, failures = 0] = await page.evaluate(() =>
			JSON.parse(localStorage["eventferry:site_test:pause"] ?? "[]"),
		);
		expect({ failures, isPaused: until > Date.now() }).toEqual({ failures: 0, isPaused: false });
	}
});
