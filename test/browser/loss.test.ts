import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/served.ts";
import { protocolOf } from "./chromium.ts";
import { isLeftOut, type Page } from "./engine.ts";
import {
	call,
	flush,
	hide,
	type Loaded,
	listen,
	login,
	notices,
	open,
	untilState,
	untilStored,
	useWorld,
	world,
} from "./page.ts";
import { scriptTag, taken } from "./site.ts";

useWorld();

/** Records 50 events of about `bytes` each and a purchase, and leaves, all in one task. */
const trackAndLeave = (page: Page, way: string, bytes = 0) =>
	page.evaluate(
		([way, bytes]) => {
			const { eventferry } = Object.assign(window as unknown as Loaded, { isLeft: true });
			for (let n = 0; n < 50; n++) eventferry.track(`event ${n}`, bytes ? { text: "x".repeat(bytes) } : {});
			eventferry.confirmation({ orderId: "A-1" });
			if (way === "a link") document.querySelector("a")?.click();
			if (way === "location") location.href = "/next";
			if (way === "a reload") location.reload();
			if (way === "a form") document.querySelector("form")?.submit();
		},
		[way, bytes] as const,
	);

const cannotFreeze = isLeftOut(["firefox", "webkit"], "only Chromium's protocol can freeze a page");

const ways: [way: string, leave: (page: Page) => Promise<unknown>][] = [
	["a link", (page) => page.waitForURL(/\/next/)],
	["location", (page) => page.waitForURL(/\/next/)],
	["a form", (page) => page.waitForURL(/\/next/)],
	["a reload", (page) => page.waitForFunction(() => !("isLeft" in window) && document.readyState === "complete")],
	["the tab closing", (page) => page.close({ runBeforeUnload: true })],
	[
		"a phone freezing the page",
		async (page) => {
			await hide(page);
			const session = await protocolOf(page);
			await session.send("Page.setWebLifecycleState", { state: "frozen" });
		},
	],
];

const shop = async () => {
	world.site.pages.set("/next", "Next");
	world.site.pages.set("/shop", `${scriptTag()}<a href="/next">Next</a><form action="/next"></form>`);
	const page = await open("/shop");
	await call(page, login);
	await flush(page);
	world.site.batches.length = 0;
	return page;
};

describe("50 events and a purchase in the last task before", () => {
	test.each(cannotFreeze ? ways.slice(0, -1) : ways)(
		"%s: all of them reach the proxy without another page",
		async (way, leave) => {
			const page = await shop();
			await Promise.all([trackAndLeave(page, way), leave(page).catch(() => {})]);
			await world.site.until(() => world.site.counts().size === 51);
		},
	);

	test.each(cannotFreeze ? ways.slice(0, -1) : ways)(
		"%s, with 200 KB: the purchase reaches the proxy, and the rest follows with the next page",
		async (way, leave) => {
			const page = await shop();
			await Promise.all([trackAndLeave(page, way, 4_000), leave(page).catch(() => {})]);
			await world.site.until(() => world.site.names().includes("confirmation"));
			if (way.startsWith("a phone")) await page.close();
			const next = await open();
			await flush(next);
			await untilState(next, ({ waiting }) => waiting === 0);
			expect(world.site.counts().size).toBe(51);
			const bytes = Buffer.byteLength(JSON.stringify(world.site.batches[0]));
			expect(bytes).toBeLessThan(65_536);
		},
	);
});

test("a purchase on a visitor's last page is sent before 100 waiting events", async () => {
	world.site.answerWith(() => ({ status: 500 }));
	const page = await shop();
	await call(page, ...Array.from({ length: 100 }, (_, n) => ["track", `event ${n}`, { text: "x".repeat(1_000) }]));
	await flush(page);
	world.site.batches.length = 0;
	await call(page, ["confirmation", { orderId: "A-1" }]);
	await page.close({ runBeforeUnload: true });
	await world.site.until(() => world.site.batches.length > 0);
	expect(world.site.batches[0]?.events[0]?.type).toBe("confirmation");
});

test("if a browser sends nothing as a page closes, the next page sends everything once", async () => {
	const page = await shop();
	await page.evaluate(() => {
		window.fetch = () => new Promise(() => {});
	});
	await trackAndLeave(page, "location");
	await page.waitForURL(/\/next/);
	expect(world.site.batches).toEqual([]);
	const next = await open();
	await flush(next);
	await untilState(next, ({ waiting }) => waiting === 0);
	expect([...world.site.counts().values()]).toEqual(Array(51).fill(1));
	await next.reload();
	await flush(next);
	expect(await next.evaluate(() => Object.keys(localStorage).filter((key) => key.includes(":event:")))).toEqual([]);
	expect(world.site.events()).toHaveLength(51);
});

test.each([true, false])("a killed browser keeps everything captured a second before; known: %s", async (isKnown) => {
	world.site.pages.set(
		"/first",
		`${scriptTag()}<script>
			${isKnown ? `eventferry.push(${JSON.stringify(login)});` : ""}
			for (let n = 0; n < 50; n++) eventferry.track("event " + n);
			setTimeout(() => fetch("/captured"), 1_000);
		</script>`,
	);
	world.site.pages.set(
		"/later",
		`${scriptTag()}<script>
		eventferry.push(${JSON.stringify(login)});
		// Sends everything, even after a failure of the browser before.
		(async () => {
			do await eventferry.flush();
			while (eventferry.state().waiting + eventferry.state().held);
			fetch("/sent");
		})();
	</script>`,
	);
	const folder = temporaryFolder();
	world.site.answerWith(() => ({ status: 500 }));
	const killed = await world.engine.run(`${world.site.origin}/first`, folder.path);
	await world.site.until(() => world.site.paths.includes("/captured"));
	await killed.kill();

	world.site.answerWith(taken);
	world.site.batches.length = 0;
	const later = await world.engine.run(`${world.site.origin}/later`, folder.path);
	await world.site.until(() => world.site.paths.includes("/sent"));
	const names = world.site.names().filter((name) => name !== "login");
	expect(names).toEqual(Array.from({ length: 50 }, (_, n) => `event ${n}`));
	for (const { person } of world.site.events()) expect(person.email).toBe("ada@example.com");
	await later.kill();
	folder.remove();
});

test("events captured before a login on another page are sent before events captured after it", async () => {
	const page = await open();
	await call(page, ["track", "first"], ["track", "second"]);
	await untilStored(page, 2);
	await page.reload();
	await call(page, login, ["track", "third"]);
	await flush(page);
	await untilState(page, ({ waiting, held }) => waiting + held === 0);
	const inOrder = [...world.site.events()].sort((a, b) => (a.id < b.id ? -1 : 1));
	expect(world.site.events()).toEqual(inOrder);
	expect(world.site.names()).toEqual(["first", "second", "login", "third"]);
});

test("a page that was hidden and is shown again sends each event once", async () => {
	const page = await shop();
	await listen(page, "delivered");
	await call(page, ["track", "before"]);
	await hide(page);
	await world.site.until(() => world.site.events().length === 1);
	await page.evaluate(() => {
		Object.defineProperty(document, "visibilityState", { value: "visible", configurable: true });
		document.dispatchEvent(new Event("visibilitychange"));
	});
	await untilState(page, ({ waiting }) => waiting === 0);
	await call(page, ["track", "after"]);
	await flush(page);
	expect(world.site.names()).toEqual(["before", "after"]);
	expect(await notices(page)).toHaveLength(2);
});

test("a page reached with the back button has lost nothing, whether it was in the back/forward cache or not", async () => {
	world.site.pages.set("/next", "<script>onpageshow = () => setTimeout(() => history.back(), 200)</script>Next");
	world.site.pages.set(
		"/shop",
		`${scriptTag()}<script>
			onpageshow = ({ persisted }) => {
				eventferry.track(persisted ? "come back" : "arrived");
				if (persisted) return eventferry.flush();
				if (performance.getEntriesByType("navigation")[0].type === "back_forward") return eventferry.track("kept nowhere");
				eventferry.login({ email: "ada@example.com" });
				// An earlier navigation would count as a redirect, to which history.back() does not return.
				setTimeout(() => {
					for (let n = 0; n < 50; n++) eventferry.track("event " + n);
					location.href = "/next";
				}, 100);
			};
		</script>`,
	);
	const folder = temporaryFolder();
	const { kill } = await world.engine.run(`${world.site.origin}/shop`, folder.path);
	// A headless shell has no such cache. A full browser (CHROMIUM_PATH) keeps the page unless a request is under way.
	await world.site.until(() => new Set(world.site.names()).size === 53);
	expect(world.site.names().some((name) => name === "come back" || name === "kept nowhere")).toBe(true);
	await kill();
	folder.remove();
});

describe("events captured by the page's own listeners as it closes", () => {
	const listening = (target: string, type: string) => `${scriptTag()}<script>
		${target}.addEventListener("${type}", () => {
			eventferry.track("as it goes");
			eventferry.confirmation({ orderId: "A-1" });
		});
	</script>`;

	test.each([
		["document", "visibilitychange"],
		["window", "visibilitychange"],
		["window", "pagehide"],
	])("on %s, %s: reach the proxy although the tab is closed", async (target, type) => {
		world.site.pages.set("/shop", listening(target, type));
		const page = await open("/shop");
		await call(page, login);
		await flush(page);
		await page.close({ runBeforeUnload: true });
		await world.site.until(() => world.site.events().length === 3);
		expect(world.site.names()).toEqual(["login", "confirmation", "as it goes"]);
		expect(world.site.batches).toHaveLength(2);
	});

	test("on pagehide of an already hidden page, which gets no other event: reach the proxy", async () => {
		const deaf =
			"<script>addEventListener('visibilitychange', (event) => window.isDeaf && event.stopImmediatePropagation(), true)</script>";
		world.site.pages.set("/shop", deaf + listening("window", "pagehide"));
		const page = await open("/shop");
		await call(page, login);
		await hide(page);
		await page.evaluate(() => Object.assign(window, { isDeaf: true }));
		await page.close({ runBeforeUnload: true });
		await world.site.until(() => world.site.events().length === 3);
	});
});

test("events that do not fit in localStorage go to IndexedDB as soon as the page is hidden", async () => {
	world.site.pages.set(
		"/full",
		`<script>
			for (let size = 2 ** 22; size >= 1; size /= 2) {
				try {
					for (;;) localStorage[Math.random()] = "x".repeat(size);
				} catch {}
			}
		</script>`,
	);
	await (await open("/full")).close();
	const page = await open();
	await flush(page);
	// No timer fires, as in a frozen page.
	await page.evaluate(() => Object.assign(window, { setTimeout: () => 0 }));
	await call(page, ["track", "leaves"]);
	await hide(page);
	await untilStored(page, 1);
	await page.close();
	const next = await open();
	await call(next, login);
	await flush(next);
	expect(world.site.names()).toEqual(["leaves", "login"]);
});
