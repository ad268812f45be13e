import { createHmac } from "node:crypto";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signIdentity } from "../../server/index.ts";
import { event, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

const secret = "the-newest-identity-secret-0123456789";
const older = "an-older-identity-secret-that-is-still-taken";
const stranger = "some-other-secret-that-nobody-here-knows";
const audience = "eventferry:identity";
const ada = { email: "ada@example.com", userId: "u-1" };
const minute = 60_000;
const day = 86_400_000;

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** Makes a token of any header and claims, with a valid signature for the key and the hash. */
function forged(header: object, claims: object, key = secret, hash = "sha256"): string {
	const signed = `${encoded(header)}.${encoded(claims)}`;
	return `${signed}.${createHmac(hash, key).update(signed).digest("base64url")}`;
}
const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600;
const claims = (changes: object = {}) => ({
	...ada,
	aud: audience,
	iat: inAnHour() - 3_600,
	exp: inAnHour(),
	...changes,
});
const hs256 = { alg: "HS256" };
const expired = (ago: number) => forged(hs256, claims({ exp: Math.floor((Date.now() - ago) / 1_000) }));

describe("with verified identity", () => {
	let running: RunningProxy;
	beforeAll(async () => {
		running = await runProxy({
			site: { identity: "verified", identitySecrets: [secret, older], attributes: ["plan"] },
		});
	});
	afterAll(() => running.stop());
	const withToken = (token: unknown, person: object = {}, changes: object = {}) =>
		event({ person: { ...person, token }, ...changes });
	const refusal = async (each: unknown) => (await running.batch(each)).rejected.map(({ code }) => code);

	test("an event takes its e-mail and userId from its token alone", async () => {
		const token = await signIdentity(ada, { secret, expiresIn: "1h" });
		const events = [
			withToken(token, {}, { name: "names nobody" }),
			withToken(token, ada, { name: "says the same" }),
			withToken(token, { email: " ADA@Example.com" }, { name: "writes it otherwise" }),
		];
		expect(await running.batch(...events)).toEqual({ accepted: 3, rejected: [] });
		await running.settled(3);
		const [person] = running.sandbox.people("crisp");
		expect(person).toMatchObject({ email: "ada@example.com" });
		expect(person?.events).toHaveLength(3);
	});

	test.each<[string, () => Promise<string> | string]>([
		["signIdentity", () => signIdentity(ada, { secret, expiresIn: 3_600 })],
		[
			"signIdentity, with the newest secret of a list",
			() => signIdentity(ada, { secret: `${secret}, ${older}`, expiresIn: "1h" }),
		],
		["signIdentity, with a secret that is being replaced", () => signIdentity(ada, { secret: older, expiresIn: "1h" })],
		["another library", () => forged({ ...hs256, typ: "JWT" }, claims())],
		["another library, for several audiences", () => forged(hs256, claims({ aud: ["else", audience] }))],
		["another library, in UTF-8", () => forged(hs256, claims({ userId: "ü😀" }))],
		["a backend whose clock is half a minute fast", () => forged(hs256, claims({ nbf: Date.now() / 1_000 + 30 }))],
	])("a token from %s is accepted", async (_name, make) => {
		expect(await running.batch(withToken(await make()))).toEqual({ accepted: 1, rejected: [] });
	});

	test.each<[string, () => unknown]>([
		["signed with another secret", () => signIdentity(ada, { secret: stranger, expiresIn: "1h" })],
		["with alg none and no signature", () => `${encoded({ alg: "none" })}.${encoded(claims())}.`],
		["with alg none and the right signature", () => forged({ alg: "none" }, claims())],
		["with alg HS512", () => forged({ alg: "HS512" }, claims(), secret, "sha512")],
		["with alg HS256 and a signature of HS512", () => forged(hs256, claims(), secret, "sha512")],
		["with no alg", () => forged({}, claims())],
		["with an unknown crit", () => forged({ ...hs256, crit: ["x"], x: 1 }, claims())],
		["for a pixel", () => forged(hs256, claims({ aud: "eventferry:open" }))],
		["without an audience", () => forged(hs256, claims({ aud: undefined }))],
		["for the audience in upper case", () => forged(hs256, claims({ aud: "EVENTFERRY:IDENTITY" }))],
		["without an expiry", () => forged(hs256, claims({ exp: undefined }))],
		["with an expiry that is text", () => forged(hs256, claims({ exp: "2999-01-01" }))],
		["that is not valid before tomorrow", () => forged(hs256, claims({ nbf: Date.now() / 1_000 + 86_400 }))],
		["without e-mail and userId", () => forged(hs256, claims({ email: undefined, userId: undefined }))],
		["with an invalid e-mail", () => forged(hs256, claims({ email: "ada" }))],
		["with a NUL in the userId", () => forged(hs256, claims({ userId: "u\0" }))],
		["with a userId that is a number", () => forged(hs256, claims({ userId: 1 }))],
		["with attributes that are a list", () => forged(hs256, claims({ attributes: [] }))],
		["whose claims are a list", () => forged(hs256, [])],
		["whose claims are not JSON", () => `${encoded(hs256)}.${Buffer.from("{").toString("base64url")}.x`],
		["with a part too many", () => `${forged(hs256, claims())}.x`],
		["with a part too few", () => forged(hs256, claims()).split(".").slice(0, 2).join(".")],
		["that is only dots", () => ".."],
		["that is a word", () => "sesame"],
		[
			"that was tampered with",
			async () => {
				const [header, , signature] = (await signIdentity(ada, { secret, expiresIn: "1h" })).split(".");
				return [header, encoded(claims({ email: "bob@example.com" })), signature].join(".");
			},
		],
	])("a token %s is invalid_identity_token, and does not affect other events", async (_name, make) => {
		const token = await make();
		const good = withToken(await signIdentity(ada, { secret, expiresIn: "1h" }));
		const bad = withToken(token, ada);
		const { accepted, rejected } = await running.batch(good, bad);
		expect(accepted).toBe(1);
		expect(rejected).toEqual([{ id: bad.id, code: "invalid_identity_token", message: expect.stringMatching(/\w/) }]);
		expect(JSON.stringify(rejected)).not.toContain(String(token));
	});

	test.each<[string, object, object]>([
		["another e-mail", ada, { email: "bob@example.com" }],
		["another userId", ada, { userId: "u-2" }],
		["the right e-mail and another userId", ada, { email: ada.email, userId: "u-2" }],
		[
			"another e-mail and a userId when the token has only an e-mail",
			{ email: ada.email },
			{ email: "b@c", userId: "u" },
		],
		[
			"another userId and an e-mail when the token has only a userId",
			{ userId: ada.userId },
			{ email: "b@c", userId: "u" },
		],
		["a userId in another case", ada, { userId: "U-1" }],
	])("an event with %s is refused as another person's", async (_name, signed, person) => {
		const token = await signIdentity(signed, { secret, expiresIn: "1h" });
		expect(await refusal(withToken(token, person))).toEqual(["invalid_identity_token"]);
	});

	test.each<[string, unknown, string]>([
		["no token", event({ person: ada }), "identity_required"],
		["no token and an empty person", event({ person: {} }), "identity_required"],
		["a token that is a number", withToken(7, ada), "invalid_event"],
		["an empty token", withToken("", ada), "invalid_event"],
		["a token of 5 KB", withToken("x".repeat(5_000), ada), "invalid_event"],
	])("an event with %s is refused", async (_name, each, code) => {
		expect(await refusal(each)).toEqual([code]);
	});

	test.each<[string, number, number, string[]]>([
		["captured before its token expired and sent a day later is accepted", day, day + minute, []],
		["captured before its token expired and sent 29 days later is accepted", 29 * day, 29 * day + minute, []],
		["captured after its token expired is refused", 2 * minute, minute, ["identity_token_expired"]],
		["captured as its token expired is refused", minute, minute, ["identity_token_expired"]],
	])("an event %s", async (_name, endAgo, capturedAgo, codes) => {
		const end = Math.floor((Date.now() - endAgo) / 1_000) * 1_000;
		const token = forged(hs256, claims({ exp: end / 1_000 }));
		expect(await refusal(withToken(token, {}, { at: end + endAgo - capturedAgo }))).toEqual(codes);
	});

	test("an event captured after its token expired is refused even if the sender's clock is an hour slow", async () => {
		const token = expired(minute);
		const now = Date.now() - 60 * minute;
		const body = { writeKey: "site_shop", sentAt: now, events: [withToken(token, {}, { at: now - 1_000 })] };
		expect(await (await running.post(body)).json()).toMatchObject({ rejected: [{ code: "identity_token_expired" }] });
	});

	test("the backend needs no token, and may name any person", async () => {
		const headers = { origin: undefined, authorization: `Bearer ${serverKey}` };
		const response = await running.post(
			{ events: [event({ person: { email: "new@example.com" } })] },
			headers,
			"/v1/events",
		);
		expect(await response.json()).toEqual({ accepted: 1, rejected: [] });
	});
});

test("no refused event is delivered, and no token is stored or passed on", async () => {
	const running = await runProxy({ site: { identity: "verified", identitySecrets: [secret] } });
	try {
		const good = await signIdentity(ada, { secret, expiresIn: "1h" });
		const bad = await signIdentity({ email: "eve@example.com" }, { secret: stranger, expiresIn: "1h" });
		running.sandbox.fault("crisp", { status: 400, body: { error: true, reason: "invalid_data" } });
		await running.batch(
			event({ name: "accepted", person: { token: good } }),
			event({ name: "forged", person: { token: bad } }),
			event({ name: "stolen", person: { token: good, email: "eve@example.com" } }),
		);
		await running.settled(1);
		const { items } = (await (await running.admin("/deadletters")).json()) as { items: { event: { name: string } }[] };
		expect(items.map((item) => item.event.name)).toEqual(["accepted"]);
		const seen = JSON.stringify([items, running.sandbox.requests()]);
		for (const absent of [good, bad, "forged", "stolen", "eve@example.com"]) expect(seen).not.toContain(absent);
	} finally {
		await running.stop();
	}
});

test("attributes in a token are set, and those from the page only if the site allows them", async () => {
	const running = await runProxy({
		site: ({ vibetrace }) => ({
			...{ identity: "verified", identitySecrets: [secret], attributes: ["plan", "isSubscribed"] },
			...{ crisp: undefined, vibetrace },
		}),
	});
	try {
		const attributes = { isSubscribed: true, tier: "gold", plan: "pro" };
		const token = await signIdentity({ ...ada, attributes }, { secret, expiresIn: "1h" });
		const login = { type: "login", data: { plan: "enterprise", unsubscribed: true, secretly: 1 } };
		await running.batch(event({ person: { token }, ...login }));
		await running.settled(1);
		await running.batch(event({ person: { token }, type: "update", data: { plan: "team", isSubscribed: false } }));
		await running.settled(2);
		const [person] = running.sandbox.people("vibetrace");
		expect(person).toMatchObject({ attributes: { isSubscribed: true, tier: "gold", plan: "team" } });
		expect(JSON.stringify(person)).not.toMatch(/unsubscribed|secretly|enterprise/);
	} finally {
		await running.stop();
	}
});

test("a verified visitor's event creates a person if only such events may", async () => {
	const running = await runProxy({
		site: ({ crisp }) => ({
			...{ identity: "verified", identitySecrets: [secret], serverKey: undefined },
			crisp: { ...crisp, createPeople: "verified" },
		}),
	});
	try {
		const token = await signIdentity(ada, { secret, expiresIn: "1h" });
		await running.batch(event({ person: { token } }));
		await running.settled(1);
		expect(running.sandbox.people("crisp")).toMatchObject([{ email: ada.email, events: [{}] }]);
	} finally {
		await running.stop();
	}
});

describe("signIdentity", () => {
	test("makes an HS256 JWT with the claims of the contract", async () => {
		const now = Math.floor(Date.now() / 1_000);
		const token = await signIdentity({ ...ada, attributes: { plan: "pro" } }, { secret, expiresIn: 60 });
		const [header, payload] = token.split(".").map((part) => Buffer.from(part, "base64url").toString());
		expect(JSON.parse(header ?? "")).toEqual(hs256);
		const { iat, exp, ...rest } = JSON.parse(payload ?? "");
		expect(rest).toEqual({ ...ada, attributes: { plan: "pro" }, aud: audience });
		expect(iat).toBeGreaterThanOrEqual(now);
		expect(exp - iat).toBeGreaterThanOrEqual(59);
		expect(exp - iat).toBeLessThanOrEqual(61);
	});

	const options = { secret, expiresIn: "1h" };
	test.each<[string, object, object, RegExp]>([
		["an empty person", {}, options, /email or a userId/],
		["an invalid e-mail", { email: "ada" }, options, /email/],
		["a userId that is too long", { userId: "u".repeat(201) }, options, /userId/],
		["attributes that are a list", { ...ada, attributes: [] }, options, /attributes/],
		["attributes that are too large", { ...ada, attributes: { text: "x".repeat(4_000) } }, options, /4096/],
		["no secret", ada, { ...options, secret: "" }, /secret: is empty/],
		["an empty newest secret", ada, { ...options, secret: ` ,${secret}` }, /secret: is empty/],
		["no expiry", ada, { secret }, /expiresIn/],
		["an expiry that is not a time", ada, { secret, expiresIn: "soon" }, /time/],
	])("refuses %s", async (_name, identity, given, message) => {
		const signing = signIdentity(identity, given as typeof options);
		await expect(signing).rejects.toThrow(TypeError);
		await expect(signing).rejects.toThrow(message);
		await expect(signing).rejects.not.toThrow(secret);
	});
});

test("with open identity a token is neither needed nor read", async () => {
	const running = await runProxy({ site: { identitySecrets: [secret] } });
	try {
		expect(await running.batch(event({ person: { email: "bob@example.com", token: "x" } }))).toMatchObject({
			accepted: 1,
		});
		const token = await new SignJWT(ada).setProtectedHeader(hs256).setAudience(audience).sign(Buffer.from(secret));
		expect((await running.batch(event({ person: { token } }))).rejected).toMatchObject([{ code: "identity_required" }]);
	} finally {
		await running.stop();
	}
});
