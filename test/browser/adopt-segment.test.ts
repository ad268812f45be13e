import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { open, useWorld, world } from "./page.ts";
import { scriptTag, stub } from "./site.ts";

useWorld();

/** Segment's library, and its snippet: https://segment.com/docs/connections/sources/catalog/libraries/website/javascript/quickstart/ */
const folder = "node_modules/@segment/analytics-next/dist/umd";
const snippet = `<script>
	window.analytics = window.analytics || [];
	analytics._writeKey = "site_shop";
	analytics._cdn = location.origin + "/cdn";
	analytics._loadOptions = {};
	for (const method of ["identify", "track", "page", "reset", "setAnonymousId"])
		analytics[method] = function () {
			if (window.analytics.initialized) return window.analytics[method].apply(window.analytics, arguments);
			const args = Array.prototype.slice.call(arguments);
			if (["track", "page", "identify"].includes(method)) args.push({ __t: "bpc", c: null, p: "/", u: location.href, s: "", t: "", r: "" });
			args.unshift(method);
			analytics.push(args);
			return analytics;
		};
	analytics.page();
	analytics.track("early");
	analytics.track("early with data", { n: 1 });
	analytics.identify("u-1", { email: "ada@example.com" });
</script>`;
const library = '<script async src="/analytics.js/v1/site_shop/analytics.min.js"></script>';

test("Segment's own library is heard before and after it has replaced its stub, each call once", async () => {
	world.site.scripts.set("/analytics.js/v1/site_shop/analytics.min.js", readFileSync(`${folder}/standalone.js`));
	world.site.scripts.set("/cdn/v1/projects/site_shop/settings", '{"integrations":{}}');
	const adopting = '<script src="/ferry/adopt.js" data-adopt="segment"></script>';
	world.site.pages.set("/", adopting + stub + scriptTag().replace("<script ", "<script async ") + snippet + library);
	const page = await open();
	await page.waitForFunction(() => {
		const { analytics, eventferry } = window as unknown as Record<string, { initialized?: true; flush?: unknown }>;
		return !!analytics?.initialized && !!eventferry?.flush;
	});
	await page.evaluate("analytics.track('late'), analytics.push(['track', 'pushed', { n: 1 }])");
	await page.evaluate(
		"new Promise((resolve) => setTimeout(resolve, 100)).then(() => (analytics.track('last'), eventferry.flush()))",
	);
	await world.site.until(() => world.site.events().some((event) => "name" in event && event.name === "last"));
	const names = world.site.events().flatMap((event) => ("name" in event ? [event.name] : [event.type]));
	expect(names.filter((name) => name !== "page")).toEqual([
		"early",
		"early with data",
		"login",
		"late",
		"pushed",
		"last",
	]);
	expect(names.filter((name) => name === "page")).toHaveLength(1);
});
