import { beforeEach, describe, expect, test } from "vitest";
import { open, useWorld, world } from "./page.ts";
import { scriptTag, stub } from "./site.ts";

useWorld();

/**
 * Stand-ins for the vendors' scripts. Each empties its queue and replaces its global as the vendor's does, and lists in
 * `seen` what it got.
 */
const vendors = {
	// Replaces the list by an object: https://docs.crisp.chat/guides/chatbox-sdks/web-sdk/dollar-crisp/
	"/vendors/crisp.js": `{
		const queue = window.$crisp;
		const take = (items) => items.forEach((item) => seen.push("crisp " + item[2]));
		window.$crisp = { push: (...items) => take(items), is: () => true };
		take(queue);
	}`,
	// Replaces the function, and makes the queued calls again.
	"/vendors/helpcrunch.js": `{
		const { q } = window.HelpCrunch;
		window.HelpCrunch = (...args) => void seen.push("helpcrunch " + args[1]);
		q.forEach((args) => HelpCrunch(...args));
	}`,
	// Keeps the list, replaces its push and adds vt.
	"/vendors/vibetrace.js": `{
		const take = (item) => seen.push("vibetrace " + Object.keys(item));
		_vteq.splice(0).forEach(take);
		_vteq.push = take;
		window.vt = { event: (type, payload) => _vteq.push({ [type]: payload }) };
	}`,
	// Keeps the list, and puts its push around the one that it finds.
	"/vendors/gtm.js": `{
		const take = (item) => seen.push("ga4 " + (item.event ?? item[1]));
		dataLayer.forEach(take);
		const { push } = dataLayer;
		dataLayer.push = (...items) => {
			items.forEach(take);
			return push.apply(dataLayer, items);
		};
	}`,
	// Empties the list by its new methods, and then replaces the global.
	"/vendors/analytics.js": `{
		const queue = window.analytics;
		const made = { track: (name) => seen.push("segment " + name), identify: () => {}, page: () => {}, reset: () => {} };
		while (queue.length) {
			const [method, ...args] = queue.shift();
			made[method](...args);
		}
		window.analytics = made;
	}`,
};

const snippets = `<script>
	window.seen = [];
	window.$crisp = [];
	window.CRISP_WEBSITE_ID = "id";
	window.HelpCrunch = function () { HelpCrunch.q.push(arguments) };
	HelpCrunch.q = [];
	var _vteq = _vteq || [];
	window.dataLayer = window.dataLayer || [];
	function gtag() { dataLayer.push(arguments) }
	window.analytics = window.analytics || [];
	for (const method of ["track", "identify", "page", "reset"])
		analytics[method] = (...args) => Array.isArray(window.analytics) ? analytics.push([method, ...args]) : window.analytics[method](...args);
	function callAll(time) {
		$crisp.push(["set", "session:event", [[["crisp " + time]]]]);
		HelpCrunch("trackEvent", "helpcrunch " + time);
		_vteq.push({ ["vibetrace " + time]: {} });
		dataLayer.push({ event: "ga4 " + time });
		gtag("event", "gtag " + time, {});
		window.analytics.track("segment " + time, {});
	}
	$crisp.push(["set", "user:email", ["ada@example.com"]]);
	callAll("early");
</script>`;
const vendorTags = Object.keys(vendors)
	.map((path) => `<script defer src="${path}"></script>`)
	.join("");
/** Not async: a vendor's script that came first would take the early calls with its queue. */
const adoptTag = '<script src="/ferry/adopt.js" data-adopt="crisp helpcrunch vibetrace ga4 segment"></script>';
const tag = scriptTag().replace("<script ", "<script async ");

const calls = ["crisp", "helpcrunch", "vibetrace", "ga4", "gtag", "segment"];
const at = (time: string) => calls.map((name) => `${name} ${time}`);
/** Lines of the stand-ins. `gtag()` fills GA4's list. */
const seenAt = (time: string) => calls.map((name) => `${name === "gtag" ? "ga4" : name} ${name} ${time}`);

beforeEach(() => {
	for (const [path, script] of Object.entries(vendors)) world.site.scripts.set(path, script);
});

const tracked = () => world.site.events().filter(({ type }) => type === "track");
const names = () => tracked().map((event) => ("name" in event ? event.name : event.type));

const isReady = () => {
	const { eventferryAdopted, eventferry } = window as unknown as Record<string, { flush?: unknown } | undefined>;
	return !!eventferryAdopted && !!eventferry?.flush;
};

/** Makes calls while the page loads and later. Resolves, once `count` events have arrived, to what the vendors have seen. */
async function visit(html: string, count: number): Promise<string[]> {
	world.site.pages.set("/", html);
	const page = await open();
	await page.waitForFunction(() => document.readyState === "complete");
	await page.waitForFunction(isReady);
	await page.evaluate("callAll('late')");
	await page.evaluate("eventferry.login({ email: 'ada@example.com' }), eventferry.flush()");
	await world.site.until(() => tracked().length >= count);
	return page.evaluate<string[]>("seen.filter((line) => !line.includes('@'))");
}

describe.each([
	["before the vendors' snippets", (adopting: string) => adopting + snippets + vendorTags],
	["after the vendors' snippets", (adopting: string) => snippets + adopting + vendorTags],
])("a tag %s", (_where, htmlOf) => {
	test.each([
		["before the script tag", adoptTag + stub + tag],
		["after the script tag", stub + tag + adoptTag],
		["without the stub", adoptTag + tag],
	])("and %s says every call once, and the vendors see all of them", async (_order, adopting) => {
		const seen = await visit(htmlOf(adopting), 2 * calls.length);
		expect(names().toSorted()).toEqual([...at("early"), ...at("late")].toSorted());
		expect(seen.toSorted()).toEqual([...seenAt("early"), ...seenAt("late")].toSorted());
	});
});

test("a tag after the vendors' scripts says what is left in a queue, and all later calls", async () => {
	const seen = await visit(snippets + vendorTags.replaceAll("defer ", "") + stub + tag + adoptTag, 2 + calls.length);
	expect(names().toSorted()).toEqual(["ga4 early", "gtag early", ...at("late")].toSorted());
	expect(seen.toSorted()).toEqual([...seenAt("early"), ...seenAt("late")].toSorted());
});

test("events name the vendor whose script is in the page", async () => {
	await visit(adoptTag + stub + tag + snippets + vendorTags, 2 * calls.length);
	const late = tracked().filter((event) => "name" in event && event.name.endsWith("late"));
	expect(late.map(({ context }) => context?.via).toSorted()).toEqual([
		"crisp",
		"ga4",
		"ga4",
		"helpcrunch",
		"segment",
		"vibetrace",
	]);
});

test("a page that has the tag twice says every call once", async () => {
	await visit(adoptTag + stub + tag + snippets + vendorTags + adoptTag, 2 * calls.length);
	expect(names().toSorted()).toEqual([...at("early"), ...at("late")].toSorted());
});

test("without consent nothing is said, and after it all of it", async () => {
	world.site.pages.set(
		"/",
		snippets + adoptTag + stub + tag.replace("data-write-key", 'data-consent="pending" data-write-key'),
	);
	const page = await open();
	await page.waitForFunction(isReady);
	await page.evaluate("eventferry.flush()");
	expect(world.site.batches).toEqual([]);
	await page.evaluate("eventferry.optIn(), eventferry.flush()");
	await world.site.until(() => tracked().length === calls.length);
	expect(names().toSorted()).toEqual(at("early").toSorted());
});
