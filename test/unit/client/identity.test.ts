import { describe, expect, test } from "vitest";
import { afterLogin, isSamePerson, readIdentity, readLogin } from "../../../client/identity.ts";

const newId = () => "new";
const token = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.signature`;

describe("login", () => {
	const cells = [
		{
			now: "an anonymous visitor keeps the anonymousId",
			identity: { anonymousId: "a" },
			login: { email: "x@example.com" },
			becomes: { anonymousId: "a", email: "x@example.com" },
		},
		{
			now: "the same person gains an identifier that was missing",
			identity: { anonymousId: "a", userId: "x" },
			login: { userId: "x", email: "x@example.com" },
			becomes: { anonymousId: "a", userId: "x", email: "x@example.com" },
		},
		{
			now: "the same person's changed e-mail and newer token replace the old ones",
			identity: { anonymousId: "a", userId: "x", email: "old@example.com", token: "old" },
			login: { userId: "x", email: "new@example.com", token: "new" },
			becomes: { anonymousId: "a", userId: "x", email: "new@example.com", token: "new" },
		},
		{
			now: "the same person keeps identifiers that a new token does not name",
			identity: { anonymousId: "a", isNew: true as const, userId: "x", email: "x@example.com", token: "old" },
			login: { email: "x@example.com", token: "new" },
			becomes: { anonymousId: "a", isNew: true as const, userId: "x", email: "x@example.com", token: "new" },
		},
		{
			now: "the same person keeps identifiers that a login without a token does not name",
			identity: { anonymousId: "a", userId: "x", email: "X@example.com" },
			login: { email: "x@Example.com" },
			becomes: { anonymousId: "a", userId: "x", email: "x@Example.com" },
		},
		{
			now: "another person replaces everything",
			identity: { anonymousId: "a", userId: "y", email: "y@example.com", token: "y" },
			login: { email: "x@example.com" },
			becomes: { anonymousId: "new", email: "x@example.com" },
		},
		{
			now: "another userId means another person, even with the same e-mail",
			identity: { anonymousId: "a", userId: "y", email: "shared@example.com" },
			login: { userId: "x", email: "shared@example.com" },
			becomes: { anonymousId: "new", userId: "x", email: "shared@example.com" },
		},
	];
	test.each(cells)("$now", ({ identity, login, becomes }) => {
		expect(afterLogin(identity, login, newId)).toEqual(becomes);
	});
});

describe("the same person", () => {
	test("has the same userId, or the same e-mail in any letter case if either has no userId", () => {
		expect(!!isSamePerson({ userId: "1", email: "a@b" }, { userId: "1", email: "c@d" })).toBe(true);
		expect(!!isSamePerson({ email: "A@b" }, { userId: "1", email: "a@B" })).toBe(true);
		expect(!!isSamePerson({ email: "a@b" }, { userId: "1" })).toBe(false);
		expect(!!isSamePerson({}, {})).toBe(false);
	});

	test("folds the case of A-Z alone, as the proxy does", () => {
		expect(!!isSamePerson({ email: "KIM@Ü.de" }, { email: "kim@Ü.DE" })).toBe(true);
		expect(!!isSamePerson({ email: "\u212aim@b" }, { email: "kim@b" })).toBe(false);
		expect(!!isSamePerson({ email: "Ü@b" }, { email: "ü@b" })).toBe(false);
	});
});

describe("the input of login()", () => {
	test("is trimmed, and absent fields stay absent", () => {
		expect(readLogin({ email: " a@b " })).toEqual({ email: "a@b" });
	});

	test("may be a token alone, which identifies the person by its claims", () => {
		const signed = token({ email: "zoë@example.com", userId: "7", exp: 1 });
		expect(readLogin({ token: signed })).toEqual({ token: signed, email: "zoë@example.com", userId: "7" });
		expect(readLogin({ token: "opaque" })).toEqual({ token: "opaque" });
	});

	test("takes a number for a userId, and null for a name that is not known", () => {
		expect(readLogin({ userId: 42, email: null, token: null })).toEqual({ userId: "42" });
		expect(readLogin({ userId: " u-1\n", email: "undefined" })).toEqual({ userId: "u-1" });
		expect(readLogin({ token: token({ userId: 42, email: "null" }) })).toMatchObject({ userId: "42" });
	});

	test.each([undefined, null, false, Number.NaN, {}, "undefined", "null", "NaN", "[object Object]", " null "])(
		"%j names nobody",
		(name) => {
			expect(() => readLogin({ userId: name as string, email: name as string })).toThrow("login: no email");
			expect(readLogin({ userId: name as string, email: "a@b" })).toEqual({ email: "a@b" });
		},
	);

	test.each([
		{},
		{ email: "" },
		{ email: "n/a" },
		{ email: "nobody" },
		{ email: "a@b c" },
		{ email: `${"a".repeat(254)}@b` },
		{ userId: "a\u0000b" },
		{ userId: "x".repeat(201) },
	])("%j is refused", (input) => {
		expect(() => readLogin(input)).toThrow(TypeError);
	});

	test("keeps the other names beside an e-mail that is no address", () => {
		expect(readLogin({ userId: "1", email: "n/a" })).toEqual({ userId: "1" });
		expect(readLogin({ token: token({ email: "a@b" }), email: "n/a" })).toMatchObject({ token: expect.anything() });
	});
});

test("data stored by another program is not read as an identity", () => {
	for (const stored of [null, 1, "opted out", {}, []]) expect(readIdentity(stored)).toBeUndefined();
});
