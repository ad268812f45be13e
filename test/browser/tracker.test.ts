import { expect, test } from "vitest";
import {
	call,
	flush,
	hide,
	type Loaded,
	listen,
	login,
	notices,
	open,
	state,
	stored,
	until,
	untilStored,
	useWorld,
	world,
} from "./page.ts";
import { problem, scriptTag, startSite, stub, taken } from "./site.ts";

useWorld();

test("nothing about an anonymous visitor leaves the browser", async () => {
	const page = await open();
	await call(page, ["track", "looked around"], ["update", { plan: "free" }]);
	await flush(page);
	expect(await state(page)).toMatchObject({ held: 2, waiting: 0 });
	await page.goto("about:blank");
	await page.goto(world.site.origin);
	await until(
		() => state(page),
		({ held }) => held === 2,
	);
	expect(world.site.batches).toEqual([]);
});

test("an anonymous visitor's events are sent at login, in order and as the person's", async () => {
	const page = await open();
	await call(page, ["track", "first"], ["track", "second", { n: 2 }], ["login", { email: " Ada@Example.com " }]);
	await call(page, ["track", "third"]);
	await flush(page);
	expect(world.site.names()).toEqual(["first", "second", "login", "third"]);
	const { anonymousId } = await state(page);
	for (const { person } of world.site.events()) expect(person).toEqual({ anonymousId, email: "Ada@Example.com" });
});

test("a batch is sent as text, with the credentials of the site, and is deleted once acknowledged", async () => {
	const page = await open();
	await page.evaluate(() => {
		// biome-ignore lint/suspicious/noDocumentCookie: WebKit lacks the Cookie Store API.
		document.cookie = "session=secret";
	});
	await listen(page, "delivered");
	await call(page, ["login", { email: "ada@example.com" }], ["track", "order", { n: 1 }, { color: "blue" }]);
	await flush(page);
	expect(await state(page)).toMatchObject({ waiting: 0, held: 0, email: "ada@example.com" });
	await untilStored(page, 0);
	expect(world.site.headers[0]?.["content-type"]).toBe("text/plain;charset=UTF-8");
	// A site behind an access proxy needs them.
	expect(world.site.headers[0]?.cookie).toBe("session=secret");
	expect(world.site.batches[0]?.writeKey).toBe("site_test");
	expect(world.site.events()[1]).toMatchObject({
		type: "track",
		name: "order",
		data: { n: 1 },
		color: "blue",
		context: { url: `${world.site.origin}/`, title: "Shop", locale: "en-US" },
	});
	expect(await notices(page)).toEqual([{ kind: "delivered", reason: "accepted", count: 2 }]);
});

test("20 waiting events are sent without a call of flush()", async () => {
	const page = await open();
	await call(page, ["login", { email: "ada@example.com" }]);
	await call(page, ...Array.from({ length: 19 }, (_, n) => ["track", `event ${n}`]));
	await world.site.until(() => world.site.events().length === 20);
});

test("events outlive a proxy that is down and are delivered once by the next page", async () => {
	world.site.answerWith(() => ({ status: 500 }));
	const page = await open();
	await call(page, ["login", { email: "ada@example.com" }], ["track", "kept"]);
	await flush(page);
	await untilStored(page, 2);
	await page.goto("about:blank");
	await world.site.until(() => world.site.batches.length === 2);
	world.site.batches.length = 0;
	world.site.answerWith(taken);
	await page.goto(world.site.origin);
	await flush(page);
	expect(world.site.names()).toEqual(["login", "kept"]);
	await page.reload();
	await flush(page);
	expect(world.site.names()).toEqual(["login", "kept"]);
});

test("an event reaches the proxy although the page is closed right after it, purchases first", async () => {
	const page = await open();
	await call(page, ["login", { email: "ada@example.com" }]);
	await flush(page);
	await call(page, ["track", "goodbye"], ["confirmation", { orderId: "A-1", total: 9.9 }]);
	await page.close({ runBeforeUnload: true });
	await world.site.until(() => world.site.events().length === 3);
	expect(world.site.names()).toEqual(["login", "confirmation", "goodbye"]);
});

test("a hidden page's request is not repeated while it is in flight", async () => {
	const page = await open();
	await call(page, ["login", { email: "ada@example.com" }]);
	world.site.answerWith(() => "never");
	await page.evaluate(() => {
		Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
		document.dispatchEvent(new Event("visibilitychange"));
		window.dispatchEvent(new PageTransitionEvent("pagehide"));
	});
	await world.site.until(() => world.site.batches.length === 1);
	await flush(page);
	expect(world.site.batches).toHaveLength(1);
	expect(await state(page)).toMatchObject({ waiting: 1 });
});

test("commands collected before the script loads run in order, and later ones run at once", async () => {
	world.site.pages.set(
		"/stub",
		`<script>
			window.eventferry = window.eventferry || [];
			eventferry.push(["track", "one"]);
			eventferry.push(["login", { email: "ada@example.com" }], ["track", "two"]);
			eventferry.push(["page"]);
		</script>${scriptTag()}${scriptTag()}`,
	);
	const page = await open("/stub");
	await call(page, ["track", "three"]);
	await flush(page);
	expect(world.site.names()).toEqual(["one", "login", "two", "page", "three"]);
});

test("the stub fits in 400 bytes, survives being included twice and keeps the time of each command", async () => {
	expect(stub.length).toBeLessThanOrEqual(400);
	world.site.pages.set(
		"/stub",
		`${stub}<script>eventferry.push(["login", { email: "ada@example.com" }], ["track", "early"]);</script>
		${stub}<script>
			eventferry.push(["track", "second"]);
			const start = Date.now();
			while (Date.now() < start + 300);
		</script>${scriptTag()}`,
	);
	const page = await open("/stub");
	await page.evaluate(() => (window as unknown as Loaded).eventferry.track("direct"));
	await flush(page);
	expect(world.site.names()).toEqual(["login", "early", "second", "direct"]);
	const [login, early, second, direct] = world.site.events().map(({ at }) => at) as [number, number, number, number];
	expect(second - login).toBeLessThan(250);
	expect(direct - early).toBeGreaterThanOrEqual(300);
	expect(Math.abs((world.site.batches[0]?.sentAt ?? 0) - direct)).toBeLessThan(2_000);
});

test("an unknown value of an attribute is named in the console, other attributes are not, and an unknown consent counts as none", async () => {
	world.site.pages.set(
		"/typos",
		scriptTag(
			'data-consent="Pending" data-pages="yes" data-clicks="no" data-debug="1" data-cfasync="false" data-constructor="x"',
		),
	);
	const page = await world.visitor.newPage();
	const lines: string[] = [];
	page.on("console", (message) => lines.push(message.text()));
	await page.goto(`${world.site.origin}/typos`);
	expect(lines).toEqual([
		"eventferry: unknown attribute pages=yes",
		"eventferry: unknown attribute clicks=no",
		"eventferry: unknown attribute debug=1",
		"eventferry: unknown attribute consent=Pending",
	]);
	await call(page, login);
	await flush(page);
	expect(world.site.batches).toEqual([]);
	expect(await page.evaluate(() => Object.keys(localStorage))).toEqual([]);
});

test("a script that is included twice tracks once", async () => {
	world.site.pages.set("/twice", scriptTag("data-pages") + scriptTag("data-pages"));
	const page = await world.visitor.newPage();
	const lines: string[] = [];
	page.on("console", (message) => lines.push(message.text()));
	await page.goto(`${world.site.origin}/twice`);
	await call(page, ["login", { email: "ada@example.com" }]);
	await flush(page);
	expect(world.site.names()).toEqual(["page", "login"]);
	expect(lines).toEqual([]);
});

test("an unknown command causes one warning and does not stop later commands", async () => {
	const page = await open();
	const lines: string[] = [];
	page.on("console", (message) => lines.push(message.text()));
	await call(page, ["tarck", { email: "ada@example.com" }], ["login", { email: "ada@example.com" }]);
	expect(lines).toEqual(["eventferry: unknown command tarck"]);
	expect(await state(page)).toMatchObject({ waiting: 1 });
});

test("clicks on marked elements and routed page views are tracked", async () => {
	world.site.pages.set(
		"/app",
		`<button data-ferry-event="Button Click" data-ferry-product-id="7"><b>Buy</b></button>${scriptTag("data-pages")}`,
	);
	const page = await open("/app");
	await page.click("b");
	await page.evaluate(() => history.pushState(null, "", "/app?tab=2"));
	await page.evaluate(() => history.replaceState({ scrolled: 1 }, ""));
	await call(page, ["login", { email: "ada@example.com" }]);
	await flush(page);
	expect(world.site.names()).toEqual(["page", "Button Click", "page", "login"]);
	expect(world.site.events()[1]?.data).toEqual({ productId: "7" });
});

test("an automated browser and a crawler record and send nothing", async () => {
	const crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
	for (const options of [{ isDriven: true }, { userAgent: crawler }]) {
		const bot = await world.engine.visitor(options);
		const site = await startSite(bot);
		const page = await bot.newPage();
		await page.goto(site.origin);
		await listen(page, "dropped");
		await call(page, ["login", { email: "ada@example.com" }], ["track", "crawled"]);
		await flush(page);
		expect(await state(page)).toMatchObject({ waiting: 0, held: 0 });
		expect(await notices(page)).toHaveLength(2);
		await bot.close();
		expect(site.batches).toEqual([]);
		await site.close();
	}
});

test("an event that the proxy rejects is dropped with a notice, and the others are delivered", async () => {
	world.site.answerWith((batch) =>
		taken(
			batch,
			batch.events
				.filter((event) => "name" in event && event.name === "bad")
				.map(({ id }) => ({ id, code: "invalid_event" as const, message: "no" })),
		),
	);
	const page = await open();
	await listen(page, "rejected");
	await call(page, ["login", { email: "ada@example.com" }], ["track", "bad"], ["track", "good"]);
	await flush(page);
	expect(await notices(page)).toEqual([{ kind: "rejected", reason: "invalid_event: no", count: 1 }]);
	expect(await state(page)).toMatchObject({ waiting: 0 });
});

test("events with an expired token stay until that person's next login brings a new one", async () => {
	world.site.answerWith((batch) =>
		taken(
			batch,
			batch.events
				.filter(({ person }) => person.token === "old")
				.map(({ id }) => ({ id, code: "identity_token_expired" as const, message: "expired" })),
		),
	);
	const page = await open();
	await call(page, ["login", { userId: "1", token: "old" }], ["track", "late"]);
	await flush(page);
	await flush(page);
	expect(world.site.batches).toHaveLength(1);
	expect(await state(page)).toMatchObject({ waiting: 2 });
	await call(page, ["login", { userId: "1", token: "new" }]);
	await flush(page);
	expect(await state(page)).toMatchObject({ waiting: 0 });
	expect(world.site.batches[1]?.events.map(({ person }) => person.token)).toEqual(["new", "new", "new"]);
});

test("a refused write key stops sending until the next page load, with one line in the console", async () => {
	world.site.answerWith(() => problem(401, "invalid_write_key"));
	const page = await open();
	const lines: string[] = [];
	page.on("console", (message) => message.text().startsWith("eventferry") && lines.push(message.text()));
	await call(page, ["login", { email: "ada@example.com" }]);
	await flush(page);
	await flush(page);
	expect(world.site.batches).toHaveLength(1);
	expect(lines).toEqual(["eventferry: stopped: invalid_write_key"]);
	world.site.answerWith(taken);
	await page.reload();
	await flush(page);
	expect(world.site.names()).toEqual(["login", "login"]);
});

test("a write key refused twice, because the page was hidden during a request, causes one line in the console", async () => {
	const answers: (() => void)[] = [];
	world.site.answerWith(() => new Promise((resolve) => answers.push(() => resolve(problem(401, "invalid_write_key")))));
	const page = await open();
	const lines: string[] = [];
	page.on("console", (message) => message.text().startsWith("eventferry") && lines.push(message.text()));
	await call(page, login);
	const flushed = flush(page);
	await world.site.until(() => answers.length === 1);
	await hide(page);
	await world.site.until(() => answers.length === 2);
	const answered = page.evaluate(() => {
		const real = Response.prototype.json;
		return new Promise<void>((resolve) => {
			let remaining = 2;
			Response.prototype.json = async function () {
				const read = await real.call(this);
				// Resolves after the tracker has handled the reply.
				if (--remaining === 0) setTimeout(resolve);
				return read;
			};
		});
	});
	await page.evaluate(() => {});
	for (const answer of answers) answer();
	await answered;
	await flushed;
	expect(lines).toEqual(["eventferry: stopped: invalid_write_key"]);
});

test("a batch that is too large is halved until the oversized event is alone and dropped", async () => {
	world.site.answerWith((batch) =>
		batch.events.some((event) => "name" in event && event.name === "huge")
			? problem(413, "body_too_large")
			: taken(batch),
	);
	const page = await open();
	await listen(page, "dropped");
	await call(page, ["login", { email: "ada@example.com" }], ["track", "a"], ["track", "huge"], ["track", "b"]);
	await flush(page);
	expect(await state(page)).toMatchObject({ waiting: 0 });
	expect(await notices(page)).toEqual([{ kind: "dropped", reason: "refused", count: 1 }]);
});

test("Retry-After holds back even a flush, also after a reload", async () => {
	world.site.answerWith(() => ({ status: 503, headers: { "Retry-After": "120" } }));
	const page = await open();
	await call(page, ["login", { email: "ada@example.com" }]);
	await flush(page);
	await flush(page);
	await page.reload();
	await flush(page);
	expect(world.site.batches).toHaveLength(1);
	expect(await state(page)).toMatchObject({ waiting: 1 });
});

test("two tabs share one queue and deliver each event once", async () => {
	const [first, second] = [await open(), await open()];
	world.site.answerWith(() => ({ status: 503, headers: { "Retry-After": "1" } }));
	await call(first, ["login", { email: "ada@example.com" }], ["track", "from the first"]);
	await until(
		() => state(second),
		({ email }) => email === "ada@example.com",
	);
	await call(second, ["track", "from the second"]);
	await untilStored(first, 3);
	world.site.batches.length = 0;
	world.site.answerWith(taken);
	await Promise.all([flush(first), flush(second)]);
	await untilStored(first, 0);
	expect(world.site.names().sort()).toEqual(["from the first", "from the second", "login"]);
});

test("a flush waits while another tab holds the lock, then sends", async () => {
	const [first, second] = [await open(), await open()];
	await first.evaluate(() => {
		const held = window as unknown as { release(): void };
		navigator.locks.request("eventferry:site_test", () => new Promise<void>((resolve) => (held.release = resolve)));
	});
	await call(second, ["login", { email: "ada@example.com" }]);
	let isFlushed = false;
	const flushed = flush(second).then(() => {
		isFlushed = true;
	});
	await second.evaluate(() => new Promise((resolve) => setTimeout(resolve, 200)));
	expect([isFlushed, world.site.batches.length]).toEqual([false, 0]);
	await first.evaluate(() => (window as unknown as { release(): void }).release());
	await flushed;
	expect(world.site.names()).toEqual(["login"]);
	expect(await state(second)).toMatchObject({ waiting: 0 });
});

const withoutLocks = () =>
	world.visitor.addInitScript(() => {
		Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
	});

test("without Web Locks still only one tab sends at a time", async () => {
	await withoutLocks();
	const [first, second] = [await open(), await open()];
	let atOnce = 0;
	let mostAtOnce = 0;
	world.site.answerWith(async (batch) => {
		mostAtOnce = Math.max(mostAtOnce, ++atOnce);
		await new Promise((resolve) => setTimeout(resolve, 300));
		atOnce--;
		return taken(batch);
	});
	await call(first, ["login", { email: "ada@example.com" }]);
	await until(
		() => state(second),
		({ email }) => email === "ada@example.com",
	);
	await call(first, ...Array.from({ length: 150 }, (_, n) => ["track", `first ${n}`]));
	await call(second, ...Array.from({ length: 10 }, (_, n) => ["track", `second ${n}`]));
	await Promise.all([flush(first), flush(second)]);
	expect([(await state(first)).waiting, (await state(second)).waiting]).toEqual([0, 0]);
	expect(world.site.events()).toHaveLength(161);
	expect(new Set(world.site.events().map(({ id }) => id)).size).toBe(161);
	expect(mostAtOnce).toBe(1);
});

test("without Web Locks the lease of a dead tab expires", async () => {
	await withoutLocks();
	const page = await open();
	await page.evaluate(() => localStorage.setItem("eventferry:site_test:lease", String(Date.now() + 1_000)));
	await call(page, ["login", { email: "ada@example.com" }]);
	const start = Date.now();
	await flush(page);
	expect(Date.now() - start).toBeGreaterThan(500);
	expect(world.site.names()).toEqual(["login"]);
});

test("events are sent even without Web Locks and localStorage", async () => {
	await withoutLocks();
	await denyLocalStorage();
	const page = await open();
	await call(page, ["login", { email: "ada@example.com" }]);
	await flush(page);
	expect(world.site.names()).toEqual(["login"]);
});

test("while consent is pending nothing is stored or sent, and opting in sends it", async () => {
	world.site.pages.set("/pending", scriptTag('data-consent="pending"'));
	const page = await open("/pending");
	await call(page, ["login", { email: "ada@example.com" }], ["track", "waits"]);
	await flush(page);
	expect(await state(page)).toMatchObject({ consent: "pending", waiting: 2 });
	expect(await page.evaluate(async () => [Object.keys(localStorage), await indexedDB.databases()])).toEqual([[], []]);
	expect(world.site.batches).toEqual([]);
	await call(page, ["optIn"]);
	await flush(page);
	expect(world.site.names()).toEqual(["login", "waits"]);
});

test("opting out deletes queue and identity, in other tabs too, and is remembered until opting in", async () => {
	const [page, otherTab] = [await open(), await open()];
	await call(page, ["login", { email: "ada@example.com" }], ["track", "gone"]);
	await call(page, ["optOut"]);
	await until(
		() => state(otherTab),
		({ consent }) => consent === "denied",
	);
	expect(await stored(page)).toEqual([]);
	await page.reload();
	await call(page, ["track", "not recorded"]);
	expect(await state(page)).toMatchObject({ consent: "denied", waiting: 0, held: 0 });
	expect(await state(page)).not.toHaveProperty("email");
	await call(page, ["optIn"], ["track", "recorded"]);
	expect(await state(page)).toMatchObject({ consent: "granted", held: 1 });
	expect(world.site.batches).toEqual([]);
});

test("logging out deletes held events and starts a new visitor", async () => {
	const page = await open();
	await call(page, ["track", "someone else's"]);
	const { anonymousId } = await state(page);
	await call(page, ["reset"], ["track", "mine"], ["login", { email: "ada@example.com" }]);
	expect((await state(page)).anonymousId).not.toBe(anonymousId);
	await flush(page);
	expect(world.site.names()).toEqual(["mine", "login"]);
});

/** Denies localStorage, as to a visitor who blocks all cookies. */
const denyLocalStorage = () =>
	world.visitor.addInitScript(() => {
		Object.defineProperty(window, "localStorage", {
			get() {
				throw new DOMException("Access is denied for this document.", "SecurityError");
			},
		});
	});

test.each([true, false])(
	"events outlive an IndexedDB that closes for good under a page; localStorage allowed: %s",
	async (isAllowed) => {
		if (!isAllowed) await denyLocalStorage();
		world.site.answerWith(() => ({ status: 500 }));
		const page = await open();
		await call(page, ["login", { email: "ada@example.com" }], ["track", "kept"]);
		await flush(page);
		await untilStored(page, 2);
		await page.evaluate(() => {
			const { transaction } = IDBDatabase.prototype;
			IDBDatabase.prototype.transaction = function (...args) {
				this.close();
				return transaction.apply(this, args);
			};
		});
		await listen(page, "error");
		world.site.batches.length = 0;
		world.site.answerWith(taken);
		await flush(page);
		expect(world.site.names()).toEqual(["login", "kept"]);
		expect(await state(page)).toMatchObject({ waiting: 0 });
		expect(await notices(page)).toEqual([{ kind: "error", reason: "IndexedDB failed", count: 0 }]);
	},
);

test("an IndexedDB that is closed under a page once is opened again and stays in use", async () => {
	world.site.answerWith(() => ({ status: 500 }));
	const page = await open();
	await listen(page, "error");
	await call(page, ["login", { email: "ada@example.com" }]);
	await flush(page);
	await page.evaluate(() => {
		const { transaction } = IDBDatabase.prototype;
		IDBDatabase.prototype.transaction = function (...args) {
			IDBDatabase.prototype.transaction = transaction;
			this.close();
			return transaction.apply(this, args);
		};
	});
	await call(page, ["track", "kept"]);
	await flush(page);
	await untilStored(page, 2);
	expect(await notices(page)).not.toContainEqual(
		expect.objectContaining({ reason: expect.stringContaining("IndexedDB") }),
	);
});

test("opting out deletes events from an IndexedDB that failed in this page", async () => {
	world.site.answerWith(() => ({ status: 500 }));
	const page = await open();
	await call(page, ["login", { email: "ada@example.com" }], ["track", "gone"]);
	await flush(page);
	await untilStored(page, 2);
	await page.evaluate(() => {
		const real = IDBDatabase.prototype.transaction;
		IDBDatabase.prototype.transaction = () => {
			throw new DOMException("The database connection is closing.", "InvalidStateError");
		};
		Object.assign(window, { heal: () => Object.assign(IDBDatabase.prototype, { transaction: real }) });
	});
	await flush(page);
	await page.evaluate(() => (window as unknown as { heal(): void }).heal());
	await call(page, ["optOut"]);
	await untilStored(page, 0);
});

test("50 events and a navigation in the same task all arrive, and the page works after a return to it", async () => {
	world.site.pages.set("/next", "Next");
	const page = await open();
	await call(page, ["login", { email: "ada@example.com" }]);
	await flush(page);
	await page.evaluate(() => {
		for (let n = 0; n < 50; n++) (window as unknown as Loaded).eventferry.track(`event ${n}`);
		location.href = "/next";
	});
	await page.waitForURL(/\/next/);
	await world.site.until(() => new Set(world.site.names()).size === 51);
	await page.goBack();
	await until(
		() => state(page),
		({ waiting }) => waiting === 0,
	);
	await call(page, ["track", "back again"]);
	await flush(page);
	expect(world.site.names().at(-1)).toBe("back again");
	expect(new Set(world.site.events().map(({ id }) => id)).size).toBe(52);
});

test("a page that comes back from the back/forward cache learns who has logged in meanwhile", async () => {
	const page = await open();
	await call(page, ["track", "before"]);
	// Chromium under Playwright has no such cache, so the test dispatches the event that the cache causes.
	await page.evaluate(() => {
		const key = "eventferry:site_test";
		localStorage.setItem(key, JSON.stringify({ ...JSON.parse(localStorage[key]), email: "ada@example.com" }));
		dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
	});
	expect(await state(page)).toMatchObject({ email: "ada@example.com", held: 0, waiting: 1 });
});
