import { hash } from "node:crypto";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { type Chromium, launchChromium } from "../browser/chromium.ts";
import { adminToken, event, origin, writeKey } from "../support/proxy.ts";
import { type Built, threats } from "./built.ts";

let chromium: Chromium;
beforeAll(async () => {
	chromium = await launchChromium();
});
afterAll(() => chromium.close());

/** A policy that allows scripts of the page's origin only: no inline style, no eval, no text that becomes a script. */
const policy =
	"default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'";
const calls = `
	window.seen = [];
	document.addEventListener("securitypolicyviolation", (violation) => seen.push(violation.violatedDirective));
	window.eventferry = window.eventferry || [];
	eventferry.push(["login", { email: "ada@example.com" }], ["track", "under a strict policy"]);
`;

/** Opens a page of the shop, where a web server passes requests below /ferry on to the proxy. */
async function shopPage(
	{ url }: Built,
	{ integrity, markup = "", change = (script: string) => script } = {} as Shop,
): Promise<Page> {
	const context = await chromium.visitor();
	await context.route(`${origin}/**`, async (route) => {
		const { pathname } = new URL(route.request().url());
		if (pathname === "/calls.js") return route.fulfill({ contentType: "text/javascript", body: calls });
		if (pathname === "/ferry/client.js") {
			const script = await (await fetch(`${url}/client.js`)).text();
			return route.fulfill({
				contentType: "text/javascript",
				body: change(script),
				headers: { "access-control-allow-origin": origin },
			});
		}
		if (pathname.startsWith("/ferry/")) {
			const response = await route.fetch({ url: url + pathname.slice("/ferry".length) });
			return route.fulfill({ response });
		}
		const checked = integrity === undefined ? "" : ` integrity="${integrity}" crossorigin="anonymous"`;
		const body = `<!doctype html><title>Shop</title><script src="/calls.js"></script>${markup}<script src="/ferry/client.js" data-write-key="${writeKey}" data-pages${checked}></script><button data-ferry-event="clicked">x</button>`;
		return route.fulfill({ contentType: "text/html", body, headers: { "content-security-policy": policy } });
	});
	const page = await context.newPage();
	await page.goto(`${origin}/`);
	return page;
}
interface Shop {
	integrity?: string;
	/** Markup before the script. */
	markup?: string;
	change?: (script: string) => string;
}

const violations = (page: Page) => page.evaluate("seen") as Promise<string[]>;
const isLoaded = (page: Page) => page.evaluate("typeof eventferry.flush") as Promise<string>;

threats(
	"the snippet in a page",
	{},
	{
		"a page's strict policy forbids what the snippet does": async (built) => {
			const page = await shopPage(built);
			await page.click("button");
			await page.evaluate("eventferry.flush()");
			const texts = () => built.sandbox.requests("crisp").map(({ body }) => (body as { text?: string }).text);
			await expect.poll(texts).toContain("clicked");
			expect(texts()).toContain("under a strict policy");
			expect(await violations(page)).toEqual([]);
			await page.context().close();
			// The page would report violations.
			for (const [bad, directive] of [
				["try { eval('1') } catch {}", /script-src|trusted-types/],
				[
					"document.body || document.documentElement.append(document.createElement('body')); document.body.setAttribute('style', 'color: red')",
					/style-src/,
				],
				["try { document.documentElement.innerHTML += '' } catch {}", /trusted-types/],
			] as const) {
				const broken = await shopPage(built, { change: (script) => `${bad};${script}` });
				await expect.poll(async () => (await violations(broken)).join()).toMatch(directive);
				await broken.context().close();
			}
		},
		"markup without script, as of a guest book, takes names of the page and sends events elsewhere": async (built) => {
			const elsewhere = "https://elsewhere.example";
			const attack = `src="${elsewhere}/client.js" data-write-key="site_evil" data-proxy="${elsewhere}"`;
			const names = ["currentScript", "querySelector", "prerendering", "title", "addEventListener", "visibilityState"];
			const markup = [
				...names.map((name) => `<img name="${name}" ${attack}>`),
				`<form id="eventferry"><input name="track"></form>`,
				`<iframe name="eventferryConfig" srcdoc="<a id=proxy href=${elsewhere}></a>"></iframe>`,
			];
			const page = await shopPage(built, { markup: markup.join("") });
			const asked: string[] = [];
			page.context().on("request", (request) => asked.push(request.url()));
			await page.evaluate("eventferry.flush()");
			const texts = () => built.sandbox.requests("crisp").map(({ body }) => (body as { text?: string }).text);
			await expect.poll(texts).toContain("under a strict policy");
			expect(asked.filter((url) => url.startsWith(elsewhere))).toEqual([]);
			await page.context().close();
		},
		"the script is changed on its way to the page": async (built) => {
			const script = await (await fetch(`${built.url}/client.js`)).text();
			const integrity = `sha384-${hash("sha384", script, "base64")}`;
			const page = await shopPage(built, { integrity });
			expect(await isLoaded(page)).toBe("function");
			const changed = await shopPage(built, { integrity, change: (text) => `${text};window.stolen = 1` });
			expect(await isLoaded(changed)).toBe("undefined");
			expect(await changed.evaluate("typeof stolen")).toBe("undefined");
			for (const each of [page, changed]) await each.context().close();
		},
	},
);

threats(
	"the console",
	{},
	{
		"what visitors and providers say is markup in the console": async (built) => {
			const { url, sandbox, batch } = built;
			const markup = "<img src=x onerror=window.ran=1>";
			const answered = await fetch(`${url}/console`);
			const policies = (answered.headers.get("content-security-policy") ?? "").split("; ");
			for (const needed of ["default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"])
				expect(policies).toContain(needed);
			expect(policies.join()).not.toMatch(/unsafe|\*|https?:/);
			expect(await answered.text()).not.toContain(adminToken);

			sandbox.fault("crisp", { status: 400, body: { error: true, reason: markup, data: { message: markup } } });
			sandbox.fault("vibetrace", { status: 401, body: { errors: [{ message: markup }] } });
			// Markup that would turn the rest of the page into text. It has no slash, as such an address is not sent to Crisp.
			const person = { email: "<plaintext>@example.com", userId: markup };
			await batch(event({ name: markup, person, data: { [markup]: markup } }));
			await sandbox.until((all) =>
				["crisp", "vibetrace"].every((name) => all.some((each) => each.destination === name && each.status)),
			);

			const page = await (await chromium.visitor()).newPage();
			await page.goto(`${url}/console`);
			await page.fill("#token", adminToken);
			await page.keyboard.press("Enter");
			await page.getByText(markup).first().waitFor({ timeout: 60_000 });
			for (const summary of await page.locator("summary").all()) await summary.click().catch(() => {});
			expect(await page.evaluate("window.ran")).toBeUndefined();
			expect(await page.locator("img[src=x], plaintext").count()).toBe(0);
			await page.context().close();
		},
	},
);
