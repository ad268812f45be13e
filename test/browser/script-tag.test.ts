import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Page } from "./engine.ts";
import { call, flush, type Loaded, open, state, untilState, useWorld, world } from "./page.ts";
import { type Site, scriptTag, startSite, stub } from "./site.ts";

useWorld();

/** A second site, whose pages load the script from the first site's origin and send events there. */
let shop: Site;
beforeEach(async () => {
	shop = await startSite(world.visitor);
});
afterEach(() => shop.close());

const visit = async (site: Site, path: string) => {
	const page = await world.visitor.newPage();
	const lines: string[] = [];
	page.on("console", (message) => lines.push(message.text()));
	page.on("pageerror", ({ message }) => lines.push(message));
	await page.goto(site.origin + path);
	return { page, lines };
};

const deliver = async (page: Page) => {
	await call(page, ["login", { email: "ada@example.com" }], ["track", "here"]);
	await flush(page);
	await untilState(page, ({ waiting }) => waiting === 0);
};

describe("a script or a proxy on another origin", () => {
	const remote = (attributes: string) =>
		`<script src="${world.site.origin}/ferry/client.js" data-write-key="site_test" ${attributes}></script>`;

	test("with the script's hash, under a policy that allows nothing else: events arrive without a preflight", async () => {
		const hash = createHash("sha384")
			.update(await readFile("dist/client.js"))
			.digest("base64");
		shop.policy(`default-src 'none'; script-src ${world.site.origin}; connect-src ${world.site.origin}`);
		shop.pages.set("/", remote(`async crossorigin integrity="sha384-${hash}"`));
		// Cookies do not tell the two sites apart, which differ in their port alone.
		await (await open()).evaluate(() => {
			// biome-ignore lint/suspicious/noDocumentCookie: not every engine has cookieStore
			document.cookie = "session=secret";
		});
		const { page, lines } = await visit(shop, "/");
		await page.waitForFunction(() => "eventferry" in window);
		await deliver(page);
		// Enough events for a batch that would be compressed on the same origin.
		await call(page, ...Array.from({ length: 30 }, (_, n) => ["track", `event ${n}`]));
		await flush(page);
		await untilState(page, ({ waiting }) => waiting === 0);
		expect(world.site.events()).toHaveLength(32);
		expect(world.site.preflights()).toBe(0);
		expect(world.site.headers.map(({ cookie }) => cookie)).not.toContain("session=secret");
		expect(shop.batches).toEqual([]);
		expect(lines).toEqual([]);
	});

	test("with a wrong hash: the script does not run, and the page goes on", async () => {
		shop.policy(`default-src 'none'; script-src 'unsafe-inline' ${world.site.origin}`);
		shop.pages.set(
			"/",
			`${stub}${remote('crossorigin integrity="sha384-AAAA"')}<script>eventferry.push(["track","a"])</script>`,
		);
		const { page } = await visit(shop, "/");
		expect(await page.evaluate(() => Array.isArray((window as unknown as Loaded).eventferry))).toBe(true);
	});

	test("with data-proxy and the script among the site's own files: events arrive", async () => {
		shop.policy(`default-src 'none'; script-src 'self'; connect-src ${world.site.origin}`);
		shop.pages.set("/", scriptTag(`data-proxy="${world.site.origin}/ferry"`));
		const { page } = await visit(shop, "/");
		await deliver(page);
		expect(world.site.names()).toEqual(["login", "here"]);
	});
});

test("under a policy with Trusted Types and a nonce, the script causes no violation", async () => {
	world.site.policy(
		"default-src 'none'; script-src 'nonce-n'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'",
	);
	world.site.pages.set(
		"/",
		`<script nonce="n">window.reported=[];document.addEventListener("securitypolicyviolation",(e)=>reported.push(e.violatedDirective))</script>
		${scriptTag('nonce="n" data-pages')}<button data-ferry-event="Buy">Buy</button>`,
	);
	const { page, lines } = await visit(world.site, "/");
	await page.click("button");
	await page.evaluate(() => history.pushState(null, "", "/two"));
	await deliver(page);
	expect(world.site.names()).toEqual(["page", "Buy", "page", "login", "here"]);
	expect(await page.evaluate(() => (window as unknown as { reported: string[] }).reported)).toEqual([]);
	expect(lines).toEqual([]);
});

const commands = `<script>eventferry.push(["login", { email: "ada@example.com" }], ["track", "early"])</script>`;
test.each([
	["async in the head", `${stub}${scriptTag("async")}${commands}`],
	["deferred", `${stub}${scriptTag("defer")}${commands}`],
	["at the end of the body", `${stub}${commands}<body><p>Shop</p>${scriptTag()}`],
	["before its stub", `${scriptTag()}${stub}${commands}`],
	[
		"added by another script",
		`${stub}${commands}<script>
		const tag = document.createElement("script");
		tag.src = "/ferry/client.js";
		tag.dataset.writeKey = "site_test";
		document.head.append(tag);
	</script>`,
	],
	["twice, with two stubs", `${stub}${stub}${commands}${scriptTag("async")}${scriptTag("async")}`],
])("%s: collected commands are sent once", async (_, html) => {
	world.site.pages.set("/", html);
	const { page, lines } = await visit(world.site, "/");
	await page.waitForFunction(() => !Array.isArray((window as unknown as Loaded).eventferry));
	await flush(page);
	await untilState(page, ({ waiting }) => waiting === 0);
	expect(world.site.names()).toEqual(["login", "early"]);
	expect(lines).toEqual([]);
});

test("attributes may have the values that frameworks write", async () => {
	world.site.pages.set("/", scriptTag('data-pages="true" data-clicks="true" data-debug="true" data-consent="granted"'));
	const { page, lines } = await visit(world.site, "/");
	await deliver(page);
	expect(world.site.names()).toEqual(["page", "login", "here"]);
	expect(lines).toEqual(["eventferry: delivered: accepted"]);
});

test("a switch that is false is off, and is no mistake", async () => {
	world.site.pages.set(
		"/",
		`${scriptTag('data-pages="false" data-clicks="false" data-debug="false"')}<button data-ferry-event="Buy">Buy</button>`,
	);
	const { page, lines } = await visit(world.site, "/");
	await page.click("button");
	await deliver(page);
	expect(world.site.names()).toEqual(["login", "here"]);
	expect(lines).toEqual([]);
});

test("a script without its write key logs an error, and the page goes on", async () => {
	world.site.pages.set("/", '<script src="/ferry/client.js"></script><script>document.title = "on"</script>');
	const { page, lines } = await visit(world.site, "/");
	expect(await page.title()).toBe("on");
	expect(lines).toEqual(["eventferry: TypeError: no data-write-key"]);
});

describe("the script without document.currentScript, or without attributes", () => {
	const marked = '<script type="text/plain" data-write-key="site_test" src="/ferry/client.js"></script>';
	const settings = (more = "") =>
		`<script>window.eventferryConfig = { writeKey: "site_test", pages: true, ${more} }</script>`;
	/** Runs the script as text, as concatenated files and jQuery do. */
	const evaluated =
		'<script>fetch("/ferry/client.js").then((answer) => answer.text()).then((text) => document.head.append(Object.assign(document.createElement("script"), { text })))</script>';

	test.each([
		["a module", '<script type="module" src="/ferry/client.js" data-write-key="site_test" data-pages></script>'],
		["copied by an optimiser, which keeps the original", `${marked}<script src="/ferry/client.js"></script>`],
		["evaluated as text, beside its tag", `${marked}${evaluated}`],
		["in Google Tag Manager, which strips attributes", `${settings()}<script src="/ferry/client.js"></script>`],
		["imported by a module", `${settings('proxy: "/ferry"')}<script type="module">import "/ferry/client.js"</script>`],
		["concatenated with other files", `${settings('proxy: "/ferry", debug: false, clicks: "off"')}${evaluated}`],
	])("%s: collected commands are sent", async (_, html) => {
		world.site.pages.set("/", `${stub}${html}${commands}`);
		const { page, lines } = await visit(world.site, "/");
		await page.waitForFunction(() => !Array.isArray((window as unknown as Loaded).eventferry));
		await flush(page);
		await untilState(page, ({ waiting }) => waiting === 0);
		expect(world.site.names().filter((name) => name !== "page")).toEqual(["login", "early"]);
		expect(lines).toEqual([]);
	});

	test("an attribute of the tag takes precedence over the settings", async () => {
		world.site.pages.set("/", `${settings('proxy: "/elsewhere"')}${scriptTag('data-proxy="/ferry" data-pages="off"')}`);
		const { page } = await visit(world.site, "/");
		await deliver(page);
		expect(world.site.names()).toEqual(["login", "here"]);
	});

	test("says what is missing", async () => {
		world.site.pages.set("/", `${settings()}<script type="module">import "/ferry/client.js"</script>`);
		const { lines } = await visit(world.site, "/");
		await expect.poll(() => lines).toEqual(["eventferry: TypeError: proxy: not a URL: undefined"]);
	});
});

test("a tag and a module of another build share the visitor", async () => {
	const script = await readFile("dist/client.js", "utf8");
	world.site.pages.set(
		"/",
		`${scriptTag()}<script>window.tag = eventferry; delete window.eventferry</script><script data-write-key="site_test" data-proxy="/ferry">${script}</script>`,
	);
	const { page } = await visit(world.site, "/");
	await page.evaluate(() => {
		const { eventferry, tag: other } = window as unknown as Loaded & { tag: Loaded["eventferry"] };
		eventferry.login({ userId: "1" });
		other.reset();
		other.login({ userId: "2" });
		eventferry.track("two's");
	});
	await flush(page);
	await untilState(page, ({ waiting }) => waiting === 0);
	expect(world.site.events().find((event) => "name" in event)?.person.userId).toBe("2");
});

test("a script that the browser is too old to parse does not run, and the page and its stub go on", async () => {
	// No engine of today lacks this syntax, so the test breaks it.
	world.site.pages.set(
		"/",
		`${stub}<script>a ????= b</script><script>eventferry.push(["track", "lost"]); document.title = "on"</script>`,
	);
	const { page, lines } = await visit(world.site, "/");
	expect(await page.title()).toBe("on");
	expect(lines).toEqual([expect.stringMatching(/^(SyntaxError: )?\w+/)]);
	expect(await page.evaluate(() => Array.isArray((window as unknown as Loaded).eventferry))).toBe(true);
	expect(world.site.batches).toEqual([]);
});

test("data-pages and data-clicks track nothing when they are off", async () => {
	world.site.pages.set(
		"/",
		`<button data-ferry-event="Buy">Buy</button>${scriptTag('data-pages="off" data-clicks="off"')}`,
	);
	const { page } = await visit(world.site, "/");
	await page.click("button");
	expect(await state(page)).toMatchObject({ held: 0, waiting: 0 });
});

test("with consent denied, nothing is recorded, stored or sent until opting in, whatever other tabs do", async () => {
	const granted = await visit(world.site, "/");
	await deliver(granted.page);
	world.site.pages.set("/denied", scriptTag('data-consent="denied"'));
	const { page, lines } = await visit(world.site, "/denied");
	const before = await page.evaluate(() => ({ ...localStorage }));
	await call(page, ["login", { email: "bob@example.com" }], ["track", "not recorded"]);
	// The page reads the identity again when it returns from the back/forward cache.
	await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
	await call(page, ["track", "not recorded"]);
	await flush(page);
	expect(await state(page)).toMatchObject({ consent: "denied", waiting: 0, held: 0 });
	expect(await page.evaluate(() => ({ ...localStorage }))).toEqual(before);
	expect(lines).toEqual([]);
	await call(page, ["optIn"], ["track", "recorded"]);
	await flush(page);
	expect(world.site.names()).toEqual(["login", "here", "recorded"]);
});
