import { describe, expect, test } from "vitest";
import { checkConfig } from "../../../server/config/config.ts";
import { hiding } from "../../../server/observe/hiding.ts";

const ownSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const config = checkConfig({
	adminToken: 'admin"secret',
	sites: [
		{
			writeKey: "site_public",
			origins: ["https://shop.example"],
			serverKey: "server/secret+",
			identitySecrets: ["first-identity-secret-0123456789abcdef", "second-identity-secret-0123456789abcdef"],
			crisp: { websiteId: "website-id", identifier: "crisp-identifier", key: "crisp-secret" },
			helpcrunch: { apiKey: "helpcrunch-secret" },
			vibetrace: { apiKey: "vibetrace-secret" },
			destinations: {
				keycloak: { url: "https://hooks.example/in/T0123456789abcdefg?token=query-token-0123", secret: ownSecret },
			},
		},
	],
});
const hide = hiding(config);

describe("a log line hides", () => {
	test.each([
		["the admin token, escaped as in JSON", JSON.stringify({ given: 'admin"secret' }), "secret"],
		["a server key, encoded as in a URL", "GET /?key=server%2Fsecret%2B", "server%2F"],
		["each identity secret", "second-identity-secret-0123456789abcdef", "second"],
		["a provider's key", 'authorization: "Bearer helpcrunch-secret"', "helpcrunch-secret"],
		[
			"a provider's key as Basic credentials",
			`Basic ${btoa("crisp-identifier:crisp-secret")}`,
			btoa("crisp-identifier:crisp-secret"),
		],
		["the secret of an address", `key ${ownSecret}`, "MfKQ"],
		["the parts of an address that may be credentials", "to /in/T0123456789abcdefg", "T0123456789abcdefg"],
		["the query of an address", "token=query-token-0123", "query-token-0123"],
		["an e-mail", "no such person: ada@example.com!", "ada"],
		["an e-mail in a path", "/people/events/ada.l%40example.com/list", "ada.l"],
		["an e-mail with umlauts", "jürgen@müller.example", "jürgen"],
		["a signed identity", "token eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImEifQ.abc_-1 was refused", "eyJ"],
	])("%s", (_name, line, secret) => {
		expect(line).toContain(secret);
		expect(hide(line)).not.toContain(secret);
		expect(hide(line)).toContain("***");
	});

	test("an e-mail after an escape of JSON, and remains valid JSON", () => {
		const line = JSON.stringify({
			msg: "to\nada@example.com\u0007bob@example.com\\eve@example.com\tmallory%40example.com",
		});
		expect(hide(line)).not.toMatch(/ada|bob|eve|mallory/);
		expect(JSON.parse(hide(line)).msg).toBe("to\n***\u0007***\\***\t***");
	});

	test("nothing else", () => {
		const line = JSON.stringify({ site: "site_public", website: "website-id", at: "proxy.js:12:7", rate: "600/min" });
		expect(hide(line)).toBe(line);
	});
});
