import { describe, expect, test } from "vitest";
import { asciiOrigin, isOriginPattern, originAllowed } from "../../../server/http/origins.ts";

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

test.each([
	"capacitor://localhost",
	"ionic://localhost",
	"tauri://localhost",
	"app://localhost:3000",
	"chrome-extension://abcdefghijklmnopabcdefghijklmnop",
	"moz-extension://0198f1c2-7d0e-7cc3-98c4-dc0c0c07398f",
	"safari-web-extension://0198F1C2-7D0E-7CC3-98C4-DC0C0C07398F",
	"wails://wails",
	"vscode-webview://0198f1c2",
])("%s is an origin of an app or an extension", (origin) => {
	expect(isOriginPattern(origin)).toBe(true);
	expect(originAllowed(origin, [origin], false)).toBe(true);
	expect(originAllowed(`${origin}x`, [origin], false)).toBe(false);
	for (const wrong of [`${origin}/`, `${origin}/index.html`, origin.toUpperCase(), origin.replace("://", "://*.")]) {
		expect(isOriginPattern(wrong)).toBe(false);
	}
});

test.each(["ftp://shop.example", "file://", "htps://shop.example", "javascript://x", "capacitor://"])(
	"%s is no origin",
	(value) => expect(isOriginPattern(value)).toBe(false),
);

test.each([
	["https://köln.example", "https://xn--kln-sna.example"],
	["https://KÖLN.example:8443", "https://xn--kln-sna.example:8443"],
	["HTTPS://köln.example/", "https://xn--kln-sna.example"],
	["https://*.bücher.example", "https://*.xn--bcher-kva.example"],
	["https://пример.испытание", "https://xn--e1afmkfd.xn--80akhbyknj4f"],
	["https://shop.example", "https://shop.example"],
	["https://Shop.example", "https://Shop.example"],
	["https://köln.example/shop", "https://köln.example/shop"],
	["https://ada@köln.example", "https://ada@köln.example"],
	["ftp://köln.example", "ftp://köln.example"],
])("%s is written in ASCII as %s", (value, ascii) => {
	expect(asciiOrigin(value)).toBe(ascii);
	expect(isOriginPattern(ascii)).toBe(/^https:\/\/[a-z\d.:*-]+$/.test(ascii));
});

test("a page without an origin is allowed only where the list has `null`, in sandbox mode too", () => {
	expect(isOriginPattern("null")).toBe(true);
	expect(originAllowed("null", ["https://shop.example", "null"], false)).toBe(true);
	for (const sandbox of [true, false]) expect(originAllowed("null", ["https://shop.example"], sandbox)).toBe(false);
	for (const value of ["NULL", "undefined", "*.null"]) expect(isOriginPattern(value)).toBe(false);
});
