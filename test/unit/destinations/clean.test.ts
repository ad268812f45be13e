import { expect, it } from "vitest";
import { clean, cleanReason, describeError, placeOf } from "../../../server/destinations/clean.ts";

it.each([
	[
		"Failed to parse URL from https://hooks.slack.com/services/T0/B0/abc",
		"Failed to parse URL from https://hooks.slack.com/…",
	],
	["https://user:secret@api.example/x?token=1 refused", "https://api.example/… refused"],
	["no user ada@example.com here", "no user *** here"],
	["Bearer abc.def is wrong", "Bearer *** is wrong"],
	["key sk_live_4242abcd is wrong", "key *** is wrong"],
	["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "***"],
	["Cannot read properties of undefined (reading 'text')", "Cannot read properties of undefined (reading 'text')"],
	["connect ECONNREFUSED 127.0.0.1:5432", "connect ECONNREFUSED 127.0.0.1:5432"],
	["a\nb\u001b[31mc\u202e", "a b [31mc"],
])("%s is shown as %s", (text, shown) => expect(clean(text)).toBe(shown));

it("a reason of the author's keeps its words, on one line of at most 300 characters", () => {
	expect(cleanReason(` over\tquota ${"x".repeat(400)}`)).toHaveLength(299);
	expect(cleanReason("over\nquota")).toBe("over quota");
	for (const code of ["subscription_limit_reached", "http_429_limit_exceeded", "no sku-1234567890"])
		expect(cleanReason(code)).toBe(code);
});

it.each([
	["no ada@example.com at https://h.example/T0/tok3n?key=1", "no *** at https://h.example/…"],
	["key sk_live_51Habcdefghij is wrong", "key *** is wrong"],
	["Bearer abc.def.ghi was refused", "Bearer *** was refused"],
	["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "***"],
])("a reason of the author's has no secrets: %s", (text, shown) => expect(cleanReason(text)).toBe(shown));

it("an error is described with its code and cause, and what is no error by its type", () => {
	const cause = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
	expect(describeError(new TypeError("fetch failed", { cause }))).toBe("TypeError: fetch failed (ECONNREFUSED)");
	expect(describeError("secret")).toBe("string, which is no error");
});

it("a long text is cleaned in linear time", () => {
	const before = performance.now();
	for (const part of ["a", "a1", "a@", "https://", "eyJ", "-"])
		for (const each of [clean, cleanReason]) each(part.repeat(1_000_000));
	expect(performance.now() - before).toBeLessThan(500);
});

it("an error is placed by its name, file and line, whatever its message quotes", () => {
	expect(placeOf(new RangeError("secret at other.mjs:1:1"))).toMatch(/^RangeError at clean\.test\.ts:\d+$/);
	expect(placeOf("secret")).toBe("string");
});

it.each<[string, () => unknown]>([
	["a message that throws", () => Object.defineProperty(new Error("x"), "message", { get: () => fail() })],
	["a name that is a symbol", () => Object.assign(new Error("x"), { name: Symbol("x") })],
	["a stack that is no text", () => Object.assign(new Error("x"), { stack: null, name: Symbol("x") })],
	["a prototype that throws", () => new Proxy({}, { getPrototypeOf: () => fail() })],
])("an error with %s is described nevertheless", (_what, make) => {
	expect(describeError(make())).toBe("an error that cannot be read");
	expect(placeOf(make())).toBe("an error that cannot be read");
});

function fail(): never {
	throw new Error("hostile");
}
