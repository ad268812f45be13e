import { describe, expect, test } from "vitest";
import { isOriginPattern, originAllowed } from "../../../server/http/origins.ts";

describe("https://*.shop.example", () => {
	const allowed = ["https://*.shop.example"];
	test.each(["https://www.shop.example", "https://a.b.c.shop.example", "https://xn--bcher-kva.shop.example"])(
		"matches %s",
		(origin) => expect(originAllowed(origin, allowed, false)).toBe(true),
	);
	test.each(
		[
			[
				"https://shop.example",
				"https://.shop.example",
				"https://evilshop.example",
				"https://shop.example.evil.example",
			],
			[
				"http://www.shop.example",
				"https://www.shop.example:8443",
				"https://www.shop.example.",
				"HTTPS://www.shop.example",
			],
			[
				"https://evil.example/.shop.example",
				"https://evil.example#.shop.example",
				"https://evil.example?.shop.example",
			],
			["https://evil.example@www.shop.example", "https://evil.example:1.shop.example", "https://a..shop.example"],
			[
				"https://evil.example\\.shop.example",
				"https://evil.example\n.shop.example",
				"https://*.shop.example",
				"null",
				"",
			],
		].flat(),
	)("does not match %j", (origin) => expect(originAllowed(origin, allowed, false)).toBe(false));
});

test("a wildcard does not cover the scheme and the port", () => {
	expect(originAllowed("http://app.shop.test:3000", ["http://*.shop.test:3000"], false)).toBe(true);
	expect(originAllowed("http://app.shop.test", ["http://*.shop.test:3000"], false)).toBe(false);
	expect(isOriginPattern("http://*.shop.test:3000")).toBe(true);
});

test("a page without an origin is allowed only where the list has `null`, in sandbox mode too", () => {
	expect(isOriginPattern("null")).toBe(true);
	expect(originAllowed("null", ["https://shop.example", "null"], false)).toBe(true);
	for (const sandbox of [true, false]) expect(originAllowed("null", ["https://shop.example"], sandbox)).toBe(false);
	for (const value of ["NULL", "undefined", "*.null"]) expect(isOriginPattern(value)).toBe(false);
});
