import { describe, expect, test } from "vitest";
import { playwrightOf } from "./chromium.ts";
import { flush, type Loaded, untilState, useWorld, world } from "./page.ts";
import { scriptTag, stub } from "./site.ts";

useWorld();

/** Loads a page, logs in, and waits until the login and a track are delivered to the page's own proxy. */
async function deliver(html: string) {
	world.site.pages.set("/", html);
	world.site.policy("default-src 'none'; script-src 'self' 'unsafe-inline'; connect-src *; frame-src *; img-src *");
	const elsewhere: string[] = [];
	const page = await world.visitor.newPage();
	playwrightOf(page).on("request", (request) => {
		if (request.method() === "POST" && !request.url().startsWith(world.site.origin)) elsewhere.push(request.url());
	});
	await page.goto(world.site.origin);
	await page.waitForFunction(() => "flush" in ((window as unknown as Loaded).eventferry ?? {}));
	await page.evaluate(() => {
		const { eventferry } = window as unknown as Loaded;
		eventferry.login({ email: "ada@example.com" });
		eventferry.track("bought", { items: [{ id: "pen" }, ["a", { b: 1 }]], at: new Date(0) });
	});
	await flush(page);
	await untilState(page, ({ waiting }) => waiting === 0);
	expect(elsewhere).toEqual([]);
	return page;
}

const evil = 'src="https://elsewhere.example/ferry/client.js" data-write-key="site_evil"';

describe("markup that takes a name", () => {
	const names = [
		...["currentScript", "prerendering", "title", "referrer", "addEventListener", "visibilityState", "hidden"],
		...["querySelector", "location", "body", "documentElement", "defaultView", "dataset", "cookie"],
	];
	test.each([
		["images", (name: string) => `<img name="${name}" id="${name}" ${evil}>`],
		["forms", (name: string) => `<form name="${name}" ${evil}><input name="dataset"><input name="src"></form>`],
		["embedded objects", (name: string) => `<object name="${name}" id="${name}" ${evil}></object>`],
		[
			"frames",
			(name: string) => `<iframe name="${name}" srcdoc="<a id=dataset href=https://elsewhere.example>"></iframe>`,
		],
		["pairs", (name: string) => `<img name="${name}"><img name="${name}">`],
	])("of the document, as %s: events reach the site's own proxy", async (_, markup) => {
		await deliver(`${names.map(markup).join("")}${scriptTag("data-pages")}`);
		expect(world.site.names()).toEqual(["page", "login", "bought"]);
		const [view] = world.site.events();
		expect(view?.context).toMatchObject({ url: `${world.site.origin}/`, locale: "en-US" });
	});

	test.each([
		["a link", (name: string) => `<a id="${name}" href="https://elsewhere.example/">x</a>`],
		[
			"a form with fields",
			(name: string) =>
				`<form id="${name}"><input name="track"><input name="push"><input name="proxy" value="https://elsewhere.example"></form>`,
		],
		[
			"a form with an object",
			(name: string) => `<form id="${name}"><object name="track"></object><object name="push"></object></form>`,
		],
		[
			"two links",
			(name: string) => `<a id="${name}">x</a><a id="${name}" name="proxy" href="https://elsewhere.example/">x</a>`,
		],
		[
			"a frame",
			(name: string) =>
				`<iframe name="${name}" srcdoc="<a id=proxy href=https://elsewhere.example></a><a id=track></a>"></iframe>`,
		],
		["a frame of another origin", (name: string) => `<iframe name="${name}" src="data:text/html,x"></iframe>`],
	])("of the window, as %s: events reach the site's own proxy", async (_, markup) => {
		await deliver(`${["eventferry", "eventferryConfig", "Temporal", "tracker"].map(markup).join("")}${scriptTag()}`);
		expect(world.site.names()).toEqual(["login", "bought"]);
	});
});

describe("built-ins that the page has replaced", () => {
	const prototype = `
		Array.prototype.toJSON = function () { return "[" + this.map(JSON.stringify).join(", ") + "]"; };
		Object.prototype.toJSON = function () { return "{}"; };
		String.prototype.toJSON = function () { return '"' + this + '"'; };
		Number.prototype.toJSON = function () { return String(this); };`;
	const clock = (value: string) => `Date.now = () => ${value};`;
	const json = `
		JSON.stringify = (value) => value && typeof value.toJSON === "function" ? value.toJSON() : String(value);
		JSON.parse = () => ({});`;
	const bought = {
		type: "track",
		data: { items: [{ id: "pen" }, ["a", { b: 1 }]], at: "1970-01-01T00:00:00.000Z" },
	};

	const broken = "function* () { yield undefined; }";
	const iterators = [
		["an array's iterator", `Array.prototype[Symbol.iterator] = Array.prototype.values = ${broken};`],
		["an array's iterator that throws", "Array.prototype[Symbol.iterator] = () => { throw new Error('no'); };"],
		[
			"a map's and a set's iterators",
			`for (const { prototype } of [Map, Set]) prototype[Symbol.iterator] = prototype.values = prototype.keys = prototype.entries = ${broken};`,
		],
	] as const;

	/** Logs in and flushes by the page's own means, as the test's own calls need an unbroken page. */
	const calls = `<script>
		eventferry.push(["track", "early"], ["login", { email: "ada@example.com" }]);
		eventferry.push(["track", "bought", { items: [{ id: "pen" }, ["a", { b: 1 }]], at: new Date(0) }]);
		eventferry.push(["confirmation", { orderId: 7, items: [{ id: "pen", quantity: 1 }] }], ["flush"]);
	</script>`;

	test.each([
		["toJSON, before the script", `<script>${prototype}</script>${scriptTag()}`],
		["toJSON, after the script", `${scriptTag()}<script>${prototype}</script>`],
		["a clock that gives a Date", `<script>${clock("new Date()")}</script>${stub}${scriptTag()}`],
		[
			"a clock that gives fractions",
			`<script>${clock("performance.timeOrigin + performance.now()")}</script>${stub}${scriptTag("async")}`,
		],
		["a clock that gives NaN", `${scriptTag()}<script>${clock("NaN")}</script>`],
		["a clock that gives text", `${stub}<script>${clock("String(new Date())")}</script>${scriptTag("async")}`],
		["JSON, after the script", `${scriptTag()}<script>${json}</script>`],
		...iterators.flatMap(([what, code]): [string, string][] => [
			[`${what}, before the script`, `${stub}<script>${code}</script>${scriptTag()}`],
			[`${what}, after the script`, `${scriptTag()}<script>${code}</script>`],
		]),
	])("%s: events arrive as they were recorded", async (_, html) => {
		world.site.pages.set("/", `${html}${calls}`);
		const page = await world.visitor.newPage();
		await page.goto(world.site.origin);
		await world.site.until(() => world.site.names().length === 4);
		expect(world.site.names()).toEqual(["early", "login", "bought", "confirmation"]);
		expect(world.site.events()[2]).toMatchObject(bought);
		expect(world.site.events()[3]?.data).toEqual({ orderId: "7", items: [{ id: "pen", quantity: 1 }] });
		for (const { at } of world.site.events()) {
			expect(at).toSatisfy(Number.isSafeInteger);
			expect(Math.abs(at - Date.now())).toBeLessThan(600_000);
		}
		expect(world.site.batches[0]?.sentAt).toSatisfy(Number.isSafeInteger);
	});
});
