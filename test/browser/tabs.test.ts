import { expect, test } from "vitest";
import { protocolOf } from "./chromium.ts";
import { isLeftOut, type Page } from "./engine.ts";
import {
	call,
	flush,
	hide,
	hurry,
	listen,
	login,
	notices,
	open,
	state,
	stored,
	untilState,
	untilStored,
	useWorld,
	world,
} from "./page.ts";
import { taken } from "./site.ts";

useWorld();

const known = (page: Page) => untilState(page, ({ email }) => email === "ada@example.com");
const receivedOnce = () => expect([...world.site.counts().values()].filter((count) => count > 1)).toEqual([]);

test("tabs that record at the same time deliver each event once, in order within each tab, one request at a time", async () => {
	const tabs = await Promise.all([open(), open(), open(), open()]);
	world.site.answerWith(async (batch) => {
		await new Promise((resolve) => setTimeout(resolve, 20));
		return taken(batch);
	});
	await call(tabs[0] as Page, login);
	await Promise.all(tabs.map(known));
	await Promise.all(
		tabs.map((page, tab) =>
			page.evaluate(async (tab) => {
				const { eventferry } = window as unknown as {
					eventferry: { track(name: string): void; flush(): Promise<void> };
				};
				for (let n = 0; n < 120; n++) {
					eventferry.track(`tab ${tab} event ${n}`);
					if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
				}
				await eventferry.flush();
			}, tab),
		),
	);
	for (const page of tabs) {
		await flush(page);
		await untilState(page, ({ waiting }) => waiting === 0);
	}
	expect(world.site.counts().size).toBe(481);
	receivedOnce();
	expect(world.site.mostAtOnce()).toBe(1);
	for (const tab of tabs.keys()) {
		const ids = world.site
			.events()
			.filter((event) => "name" in event && event.name?.startsWith(`tab ${tab} `))
			.map(({ id }) => id);
		expect(ids).toEqual([...ids].sort());
	}
	expect(await stored(tabs[0] as Page)).toEqual([]);
});

test
	.skipIf(isLeftOut(["firefox", "webkit"], "only Chromium's protocol can crash one tab"))
	.each(["ends in the middle of a request", "ends before it has sent"])(
	"an idle tab takes over from one that %s",
	async (way) => {
		await hurry(5);
		const [idle, busy] = [await open(), await open()];
		world.site.answerWith(() => "never");
		await call(busy, login, ["track", "left behind"]);
		await untilStored(idle, 2);
		if (way.includes("middle")) await world.site.until(() => world.site.batches.length > 0);
		await busy.evaluate(() => {
			window.fetch = () => new Promise(() => {});
		});
		world.site.batches.length = 0;
		world.site.answerWith(taken);
		const crashing = await protocolOf(busy);
		crashing.send("Page.crash").catch(() => {});
		await world.site.until(() => world.site.batches.length > 0);
		await untilStored(idle, 0);
		expect(world.site.batches.at(-1)?.events).toHaveLength(2);
	},
);

test("a visitor's first two tabs, opened at the same moment, lose no held events", async () => {
	const first = await open();
	await call(first, ["track", "held in the first"]);
	// The second tab has not yet seen the identity that the first one wrote.
	await world.visitor.addInitScript(() => localStorage.removeItem("eventferry:site_test"));
	const second = await open();
	const { anonymousId } = await state(second);
	await untilState(first, (visitor) => visitor.anonymousId === anonymousId);
	await call(second, ["track", "held in the second"], login);
	await known(first);
	await flush(first);
	await flush(second);
	await untilStored(first, 0);
	expect(new Set(world.site.names())).toEqual(new Set(["held in the first", "held in the second", "login"]));
	receivedOnce();
	for (const { person } of world.site.events()) expect(person).toEqual({ anonymousId, email: "ada@example.com" });
});

test("events of a tab that was closed before a login are sent with the login in another tab", async () => {
	const [first, second] = [await open(), await open()];
	await call(first, ["track", "held"]);
	await untilStored(second, 1);
	await first.close();
	await call(second, login);
	await flush(second);
	await untilState(second, ({ waiting }) => waiting === 0);
	expect(world.site.names()).toEqual(["held", "login"]);
});

test("a logout in one tab deletes another tab's held events, with a notice, but no waiting ones", async () => {
	world.site.answerWith(() => ({ status: 500 }));
	const [first, second] = [await open(), await open()];
	await call(first, login, ["track", "hers"], ["reset"], ["track", "somebody's"]);
	await untilState(second, ({ email }) => email === undefined);
	const { anonymousId } = await state(first);
	await untilState(second, (visitor) => visitor.anonymousId === anonymousId);
	await call(second, ["track", "somebody's, here"]);
	await listen(second, "dropped");
	await listen(first, "dropped");
	await call(second, ["reset"]);
	await untilState(first, ({ held }) => held === 0);
	expect(await notices(second)).toContainEqual({ kind: "dropped", reason: "reset", count: 1 });
	world.site.answerWith(taken);
	world.site.batches.length = 0;
	await call(first, ["login", { email: "bob@example.com" }]);
	await flush(first);
	await untilState(first, ({ waiting }) => waiting === 0);
	expect(world.site.names()).toEqual(["login", "hers", "login"]);
	expect(world.site.events().map(({ person }) => person.email)).toEqual([
		"ada@example.com",
		"ada@example.com",
		"bob@example.com",
	]);
});

test("a tab that is shown again restores no events that were delivered or deleted meanwhile", async () => {
	const [away, here] = [await open(), await open()];
	await call(away, ["track", "held"]);
	await untilStored(here, 1);
	// The page gets no news until it is shown again, as in the back/forward cache.
	await away.evaluate(() =>
		window.addEventListener("storage", (event) => event.stopImmediatePropagation(), { capture: true }),
	);
	await hide(away);
	await call(here, login);
	await flush(here);
	await untilState(here, ({ waiting }) => waiting === 0);
	await call(here, ["reset"]);
	expect(world.site.names()).toEqual(["held", "login"]);
	await away.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
	await flush(away);
	expect(await state(away)).toMatchObject({ held: 0, waiting: 0 });
	await call(away, login);
	await flush(away);
	expect(world.site.names()).toEqual(["held", "login", "login"]);
});

test("opting out in one tab while another sends leaves no events behind", async () => {
	const [first, second] = [await open(), await open()];
	let answer = () => {};
	world.site.answerWith((batch) => new Promise((resolve) => (answer = () => resolve(taken(batch)))));
	await call(first, login);
	await known(second);
	const flushed = flush(first);
	await world.site.until(() => world.site.batches.length === 1);
	await call(second, ["track", "gone"], ["optOut"]);
	await untilState(first, ({ consent }) => consent === "denied");
	answer();
	await flushed;
	expect(await stored(second)).toEqual([]);
	expect(await second.evaluate(() => Object.keys(localStorage).filter((key) => key.includes(":event:")))).toEqual([]);
});
