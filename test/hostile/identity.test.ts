import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { signIdentity } from "../../server/index.ts";
import { event } from "../support/proxy.ts";
import { type Built, threats } from "./built.ts";

const secret = "an-identity-secret-of-the-shop-0123456789";
const mallory = { email: "mallory@example.com", userId: "u-mallory" };
const ada = { email: "ada@example.com", userId: "u-ada" };
const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600;
const claims = (more: object = {}) => ({ ...ada, aud: "eventferry:identity", exp: inAnHour(), ...more });
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

function signed(header: object, payload: object, hash = "sha256", key = secret): string {
	const text = `${encoded(header)}.${encoded(payload)}`;
	return `${text}.${createHmac(hash, key).update(text).digest("base64url")}`;
}
const malloryToken = () => signIdentity(mallory, { secret, expiresIn: "1h" });

/** Sends a forged event and a good one. Expects the first to be rejected with a code, and only the second delivered. */
async function refused({ batch, settled, sandbox }: Built, bad: object, code: string): Promise<void> {
	const before = (await settled(0)).events;
	const name = `good ${crypto.randomUUID()}`;
	const { accepted, rejected } = await batch(
		event({ name: "forged", person: bad }),
		event({ name, person: { token: await malloryToken() } }),
	);
	expect([accepted, rejected.map((each) => each.code)]).toEqual([1, [code]]);
	await settled(before + 1);
	const sent = JSON.stringify(sandbox.requests());
	for (const trace of ["forged", ada.email, ada.userId]) expect(sent).not.toContain(trace);
	expect(sent).toContain(name);
}

threats(
	"verified identity",
	{ site: { identity: "verified", identitySecrets: [secret] } },
	{
		"a token is signed with a secret that is not ours": async (built) => {
			const token = signed({ alg: "HS256" }, claims(), "sha256", "some-other-secret-0123456789-0123456789");
			await refused(built, { ...ada, token }, "invalid_identity_token");
		},
		"a token says that it needs no signature": async (built) => {
			await refused(built, { token: `${encoded({ alg: "none" })}.${encoded(claims())}.` }, "invalid_identity_token");
			await refused(built, { token: signed({ alg: "none" }, claims()) }, "invalid_identity_token");
		},
		"a token is signed by another algorithm": async (built) => {
			await refused(built, { token: signed({ alg: "HS512" }, claims(), "sha512") }, "invalid_identity_token");
		},
		"a token was signed for something else, as an e-mail's pixel is": async (built) => {
			const token = signed({ alg: "HS256" }, claims({ aud: "eventferry:open" }));
			await refused(built, { token }, "invalid_identity_token");
		},
		"a token's claims are changed": async (built) => {
			const [header, , signature] = (await malloryToken()).split(".");
			await refused(built, { token: [header, encoded(claims()), signature].join(".") }, "invalid_identity_token");
		},
		"a visitor with a token of their own names somebody else": async (built) => {
			const token = await malloryToken();
			for (const person of [{ email: ada.email }, { userId: ada.userId }, { ...mallory, userId: ada.userId }])
				await refused(built, { ...person, token }, "invalid_identity_token");
		},
		"a page adds names that its token lacks": async ({ batch, settled, sandbox, admin }) => {
			const before = (await settled(0)).events;
			const onlyUserId = await signIdentity({ userId: mallory.userId }, { secret, expiresIn: "1h" });
			const onlyEmail = await signIdentity({ email: mallory.email }, { secret, expiresIn: "1h" });
			const { accepted } = await batch(
				event({ name: "as u-mallory", person: { token: onlyUserId, email: ada.email } }),
				event({ name: "as mallory@", person: { token: onlyEmail, userId: ada.userId } }),
			);
			expect(accepted).toBe(2);
			await settled(before + 2);
			const sent = JSON.stringify(sandbox.requests());
			for (const trace of [ada.email, ada.userId]) expect(sent).not.toContain(trace);
			for (const name of ["as u-mallory", "as mallory@"]) expect(sent).toContain(name);
			const { destinations } = await (await admin("/stats")).json();
			for (const name of ["crisp", "vibetrace"]) expect(destinations[name].discarded).toEqual({ not_addressable: 1 });
		},
		"a visitor without a token names anybody": async (built) => refused(built, ada, "identity_required"),
		"a token is used after its end": async (built) => {
			const token = signed({ alg: "HS256" }, claims({ exp: Math.floor(Date.now() / 1_000) - 60 }));
			await refused(built, { token }, "identity_token_expired");
		},
		"a token has no end": async (built) => {
			await refused(built, { token: signed({ alg: "HS256" }, claims({ exp: undefined })) }, "invalid_identity_token");
		},
		"a page sets what only a token may": async ({ batch, settled, sandbox }) => {
			const before = (await settled(0)).events;
			const attributes = { isSubscribed: true };
			const token = await signIdentity({ email: "eve@example.com", attributes }, { secret, expiresIn: "1h" });
			await batch(event({ type: "login", person: { token }, data: { unsubscribed: true } }));
			await batch(event({ type: "update", person: { token }, data: { isSubscribed: false, mood: "good" } }));
			await settled(before + 2);
			const eve = sandbox.people("vibetrace").find(({ email }) => email === "eve@example.com");
			expect(eve?.attributes).toEqual({ isSubscribed: true, mood: "good" });
		},
		"a token is kept where others can read it": async ({ batch, settled, sandbox, admin, store, output }) => {
			const before = (await settled(0)).events;
			const token = await malloryToken();
			const clear = sandbox.fault("crisp", { status: 400, body: { error: true, reason: "invalid_data" } });
			await batch(event({ name: "dead", person: { token } }), event({ person: { ...ada, token } }));
			await settled(before + 1);
			clear();
			const dead = await (await admin("/deadletters")).text();
			expect(dead).toContain("dead");
			const kept = [store, `${store}-wal`].map((file) => readFileSync(file, "latin1")).join("");
			expect(kept).toContain(mallory.email);
			const [, , signature = ""] = token.split(".");
			expect(kept + dead + output() + JSON.stringify(sandbox.requests())).not.toContain(signature);
		},
	},
);
