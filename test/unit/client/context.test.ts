import { expect, test } from "vitest";
import { stripUrl } from "../../../client/context.ts";
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
