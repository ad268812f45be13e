import { afterEach, expect, test, vi } from "vitest";
import { readContext, stripUrl } from "../../../client/context.ts";
import { limits } from "../../../shared/event.ts";

test.each([
	["https://shop.example/reset?token=secret", "https://shop.example/reset"],
	["https://shop.example/#access_token=secret", "https://shop.example/"],
	[
		"https://shop.example/?q=pen&utm_source=mail&utm_medium=a%20b",
		"https://shop.example/?utm_source=mail&utm_medium=a+b",
	],
	["https://shop.example/?q=1&q=2", "https://shop.example/"],
	["https://ada:secret@shop.example/", "https://shop.example/"],
	["", undefined],
	["not an address", undefined],
])("%s is recorded as %s", (address, recorded) => {
	expect(stripUrl(address)).toBe(recorded);
});

test("a long URL is cut to the length that the proxy accepts", () => {
	expect(stripUrl(`https://shop.example/${"x".repeat(9_999)}`)).toHaveLength(limits.contextLength);
});

afterEach(() => vi.unstubAllGlobals());

test.each([
	// https://html.spec.whatwg.org/multipage/nav-history-apis.html#named-access-on-the-window-object
	["an HTML element with that id", {}],
	["a polyfill from before `now` was renamed to `Now`", { now: {} }],
	["a polyfill from before `timeZone` was renamed to `timeZoneId`", { Now: { timeZone: () => "UTC" } }],
])("the context is recorded even if window.Temporal is %s", (title, Temporal) => {
	vi.stubGlobal("window", { Temporal });
	// Another title, as the context is read anew only after a change.
	vi.stubGlobal("document", { title, referrer: "" });
	vi.stubGlobal("location", { href: "https://shop.example/" });
	expect(readContext()).toMatchObject({
		url: "https://shop.example/",
		title,
		timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
	});
});
