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

test("a long address is cut to what the proxy takes", () => {
	expect(stripUrl(`https://shop.example/${"x".repeat(9_999)}`)).toHaveLength(limits.contextLength);
});

afterEach(() => vi.unstubAllGlobals());

test.each([
	["an element of that name", {}],
	["an older polyfill", { now: {} }],
	["a polyfill from before it was renamed", { Now: { timeZone: () => "UTC" } }],
])("a Temporal that is %s costs no context", (title, Temporal) => {
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
