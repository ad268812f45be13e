import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkConfig, warningsOf } from "../../server/config/config.ts";
import { createProxy, defineConfig, loadConfig } from "../../server/index.ts";
import { shownStore } from "../../server/outbox/store-url.ts";

let folder: string;
beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), "eventferry-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The smallest valid environment, for one site. */
const smallest = {
	EVENTFERRY_WRITE_KEY: "site_shop",
	EVENTFERRY_ORIGINS: "https://shop.example",
	VIBETRACE_API_KEY: "vt-key",
};
const site = { writeKey: "site_file", origins: ["https://file.example"], vibetrace: { apiKey: "vt-of-the-file" } };

/** Every variable of the environment. */
const everything = {
	PORT: "0",
	HOST: "0.0.0.0",
	EVENTFERRY_WRITE_KEY: "site_a",
	EVENTFERRY_ORIGINS: "https://a.example, http://localhost:3000",
	EVENTFERRY_SERVER_KEY: "sk",
	EVENTFERRY_IDENTITY: "verified",
	EVENTFERRY_IDENTITY_SECRET: `${"n".repeat(32)}, ${"o".repeat(32)}`,
	EVENTFERRY_ADMIN_TOKEN: "at",
	EVENTFERRY_TRUST_PROXY: "1",
	EVENTFERRY_STORE: "sqlite:/tmp/x.db",
	EVENTFERRY_MAX_STORE_BYTES: "512M",
	EVENTFERRY_LOG_LEVEL: "warn",
	CRISP_WEBSITE_ID: "w",
	CRISP_IDENTIFIER: "i",
	CRISP_KEY: "k",
	CRISP_TIER: "plugin",
	CRISP_CREATE_FIRST: "true",
	CRISP_BASE_URL: "http://127.0.0.1:1/crisp/v1",
	HELPCRUNCH_API_KEY: "h",
	HELPCRUNCH_BASE_URL: "http://localhost:1/v1",
	VIBETRACE_API_KEY: "v",
	VIBETRACE_BASE_URL: "https://eu.example/v1",
	VIBETRACE_EVENTS: "login, basket:*",
};

const fromEnvironment = (env: Record<string, string | undefined>) => loadConfig({ file: false, env });
async function fileOf(name: string, content: unknown): Promise<string> {
	const path = join(folder, name);
	await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
	return path;
}
/** Resolves to the message of the refusal. */
async function refusal(loading: Promise<unknown>): Promise<string> {
	const error = await loading.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	if (!(error instanceof Error)) throw new Error("the configuration was accepted");
	expect(error.name).toBe("ConfigError");
	return error.message;
}

describe("the environment alone", () => {
	test("is enough for one site, with the documented defaults", async () => {
		expect(await fromEnvironment(smallest)).toMatchObject({
			port: 8788,
			host: "127.0.0.1",
			store: "sqlite:./eventferry.db",
			maxStoreBytes: 4_294_967_296,
			rateLimit: { perAddress: 600, bytesPerAddress: 33_554_432 },
			sites: [
				{
					writeKey: "site_shop",
					origins: ["https://shop.example"],
					identity: "open",
					vibetrace: { apiKey: "vt-key", baseUrl: "https://api.vtcdn.net/v1" },
				},
			],
		});
	});

	test("sets every documented option", async () => {
		const config = await fromEnvironment(everything);
		expect(config).toMatchObject({
			port: 0,
			host: "0.0.0.0",
			store: "sqlite:/tmp/x.db",
			maxStoreBytes: 536_870_912,
			adminToken: "at",
			trustProxy: 1,
			rateLimit: { perAddress: 600 },
			logLevel: "warn",
			sites: [
				{
					identity: "verified",
					identitySecrets: ["n".repeat(32), "o".repeat(32)],
					writeKey: "site_a",
					origins: ["https://a.example", "http://localhost:3000"],
					serverKey: "sk",
					crisp: {
						...{ websiteId: "w", identifier: "i", key: "k", tier: "plugin" },
						...{ createFirst: true, baseUrl: "http://127.0.0.1:1/crisp/v1" },
					},
					helpcrunch: { apiKey: "h", baseUrl: "http://localhost:1/v1" },
					vibetrace: { apiKey: "v", baseUrl: "https://eu.example/v1", events: ["login", "basket:*"] },
				},
			],
		});
	});

	test("makes a destination only of credentials, and ignores an empty variable", async () => {
		const { sites } = await fromEnvironment({ ...smallest, CRISP_KEY: "", HELPCRUNCH_API_KEY: "", PORT: "" });
		expect(sites[0]).toHaveProperty("vibetrace");
		expect(sites[0]?.crisp).toBeUndefined();
		expect(sites[0]?.helpcrunch).toBeUndefined();
	});

	test("takes origins of apps, and writes those with other letters than ASCII as browsers send them", async () => {
		const given = "capacitor://localhost, https://köln.example, https://*.bücher.example";
		const { sites } = await fromEnvironment({ ...smallest, EVENTFERRY_ORIGINS: given });
		expect(sites[0]?.origins).toEqual([
			"capacitor://localhost",
			"https://xn--kln-sna.example",
			"https://*.xn--bcher-kva.example",
		]);
	});

	test("uses the documented base URLs of all three providers", async () => {
		const { sites } = await fromEnvironment({
			...smallest,
			HELPCRUNCH_API_KEY: "h",
			CRISP_WEBSITE_ID: "w",
			CRISP_IDENTIFIER: "i",
			CRISP_KEY: "k",
		});
		expect([sites[0]?.crisp?.baseUrl, sites[0]?.helpcrunch?.baseUrl, sites[0]?.vibetrace?.baseUrl]).toEqual([
			"https://api.crisp.chat/v1",
			"https://api.helpcrunch.com/v1",
			"https://api.vtcdn.net/v1",
		]);
	});
});

describe("the maximum size of the store", () => {
	const kilo = 1_024;
	test.each<[string, number]>([
		["2097152", 2 * kilo ** 2],
		["2048k", 2 * kilo ** 2],
		["2048K", 2 * kilo ** 2],
		["512M", 512 * kilo ** 2],
		["4g", 4 * kilo ** 3],
		["1.5G", 1.5 * kilo ** 3],
		[" 4 GB ", 4 * kilo ** 3],
		["4GiB", 4 * kilo ** 3],
	])("may be %j", async (text, bytes) => {
		expect((await fromEnvironment({ ...smallest, EVENTFERRY_MAX_STORE_BYTES: text })).maxStoreBytes).toBe(bytes);
		const file = await fileOf("size.json", {
			sites: [site],
			maxStoreBytes: text,
			rateLimit: { bytesPerAddress: text },
		});
		expect(await loadConfig({ file, env: {} })).toMatchObject({
			maxStoreBytes: bytes,
			rateLimit: { bytesPerAddress: bytes },
		});
	});

	test.each([
		"1",
		"1023k",
		"0",
		"-4G",
		"4T",
		"G",
		"4G4",
		"four",
		"1e9",
		"Infinity",
		"0x400000",
		"4,5G",
		"9".repeat(20),
	])("may not be %j", async (text) => {
		const message = await refusal(fromEnvironment({ ...smallest, EVENTFERRY_MAX_STORE_BYTES: text }));
		expect(message).toContain("EVENTFERRY_MAX_STORE_BYTES must be");
	});
});

describe("the trusted proxy", () => {
	test.each<[string, number | string | boolean]>([
		["true", true],
		["false", false],
		["1", 1],
		["loopback", "loopback"],
	])("can be %s in the environment, and the same in a file", async (text, value) => {
		expect((await fromEnvironment({ ...smallest, EVENTFERRY_TRUST_PROXY: text })).trustProxy).toBe(value);
		const file = await fileOf(`trust-${text}.json`, { sites: [site], trustProxy: value });
		expect((await loadConfig({ file, env: {} })).trustProxy).toBe(value);
	});
});

describe("a secret that is easily guessed", () => {
	const longer = "5e1fb07d29c4a8e613f5d8b2c7a09e64";
	const short = { ...smallest, EVENTFERRY_IDENTITY: "verified", EVENTFERRY_IDENTITY_SECRET: `${longer},short` };

	test("is accepted, for the sake of first experiments", async () => {
		expect((await fromEnvironment(short)).sites[0]?.identitySecrets).toEqual([longer, "short"]);
	});

	test("causes a warning that names its variable, without its value", async () => {
		const warnings = warningsOf(await fromEnvironment(short));
		expect(warnings).toEqual([expect.stringMatching(/EVENTFERRY_IDENTITY_SECRET .*32/)]);
		expect(warnings.join()).not.toContain("short,");
		expect(warningsOf(await fromEnvironment({ ...short, EVENTFERRY_IDENTITY_SECRET: longer }))).toEqual([]);
	});
});

describe("a weak set-up is accepted with a warning that names its variable, and no secret", () => {
	const strong = (letter: string) => `${letter}-5e1fb07d29c4a8e613f5d8b2c7a09e64`;
	const two = (...changes: object[]) => ({
		sites: changes.map((change, index) => ({ ...site, writeKey: `site_${index}`, ...change })),
	});
	const ofSites = (config: object) => warningsOf(checkConfig(config), {});
	const ofVariables = async (env: Record<string, string>, processEnv = {}) =>
		warningsOf(await fromEnvironment({ ...smallest, ...env }), processEnv);

	test.each([
		["EVENTFERRY_SERVER_KEY", { EVENTFERRY_SERVER_KEY: "s3cr3t" }],
		["EVENTFERRY_ADMIN_TOKEN", { EVENTFERRY_ADMIN_TOKEN: "s3cr3t" }],
		["EVENTFERRY_IDENTITY_SECRET", { EVENTFERRY_IDENTITY_SECRET: `${strong("a")},s3cr3t` }],
		["HELPCRUNCH_HOOK_SECRET", { HELPCRUNCH_API_KEY: "h", HELPCRUNCH_HOOK_SECRET: "s3cr3t" }],
		["CRISP_HOOK_KEY", { CRISP_WEBSITE_ID: "w", CRISP_IDENTIFIER: "i", CRISP_KEY: "k", CRISP_HOOK_KEY: "s3cr3t" }],
	])("a short %s", async (name, env) => {
		const warnings = await ofVariables(env);
		expect(warnings).toEqual([expect.stringMatching(`^${name} has fewer than 32 characters`)]);
		expect(warnings.join()).not.toContain("s3cr3t");
	});

	test("names of attributes that a provider advises against, where there is an account with it", () => {
		const attributes = ["plan", "signupDate", "segments", "Last Order", "last_order-2"];
		const crisp = { websiteId: "w", identifier: "i", key: "k", createPeople: ["confirmation", "basket:*"] };
		expect(ofSites({ sites: [{ ...site, crisp, attributes }] })).toEqual([
			expect.stringMatching(/attributes.* names "signupDate" and "Last Order": Crisp may refuse/),
		]);
		expect(ofSites({ sites: [{ ...site, vibetrace: { apiKey: "v" }, attributes }] })).toEqual([]);
	});

	test("one secret in two variables, a provider's among them", async () => {
		const EVENTFERRY_SERVER_KEY = strong("a");
		expect(await ofVariables({ EVENTFERRY_SERVER_KEY, EVENTFERRY_ADMIN_TOKEN: strong("a") })).toEqual([
			expect.stringMatching(/^EVENTFERRY_ADMIN_TOKEN and EVENTFERRY_SERVER_KEY are the same secret/),
		]);
		expect(await ofVariables({ EVENTFERRY_SERVER_KEY, VIBETRACE_API_KEY: strong("a") })).toEqual([
			expect.stringMatching(/^EVENTFERRY_SERVER_KEY and VIBETRACE_API_KEY are the same secret/),
		]);
		expect(await ofVariables({ EVENTFERRY_IDENTITY_SECRET: `${strong("a")},${strong("a")}` })).toEqual([
			"EVENTFERRY_IDENTITY_SECRET has the same secret twice",
		]);
	});

	test("one secret in two sites, but not their one account at a provider", () => {
		expect(ofSites(two({ identitySecrets: [strong("a")] }, { identitySecrets: [strong("b"), strong("a")] }))).toEqual([
			expect.stringMatching(/^sites\[0\]\.identitySecrets and sites\[1\]\.identitySecrets are the same secret/),
		]);
		expect(ofSites(two({ serverKey: strong("a") }, { identitySecrets: [strong("a")] }))).toHaveLength(1);
		const plugin = (key: string) => ({ crisp: { websiteId: "w", identifier: "i", key, hookSecret: strong("a") } });
		expect(ofSites(two(plugin("k"), plugin("k")))).toEqual([]);
		expect(ofSites(two(plugin("k"), plugin("l")))).toEqual([
			expect.stringMatching(/^sites\[0\]\.crisp\.hookSecret and sites\[1\]\.crisp\.hookSecret/),
		]);
	});

	test.each(["0.0.0.0/1", "128.0.0.0/128.0.0.0", "::/1", "::ffff:0:0/96", "loopback,16.0.0.0/4"])(
		"%s as trusted proxies",
		async (EVENTFERRY_TRUST_PROXY) => {
			expect(await ofVariables({ EVENTFERRY_TRUST_PROXY })).toEqual([
				expect.stringMatching(/^EVENTFERRY_TRUST_PROXY .*choose an address/),
			]);
		},
	);
	test.each(["1", "true", "loopback,linklocal,uniquelocal", "10.0.0.0/8", "104.16.0.0/13,2400:cb00::/32", "fc00::/7"])(
		"but not %s",
		async (EVENTFERRY_TRUST_PROXY) => expect(await ofVariables({ EVENTFERRY_TRUST_PROXY })).toEqual([]),
	);

	test.each(["co.uk", "com.au", "co.jp", "com.br", "github.io", "vercel.app", "s3.eu-west-1.amazonaws.com", "uk.com"])(
		"every site below %s",
		async (domain) => {
			const EVENTFERRY_ORIGINS = `https://shop.example,https://*.${domain},https://*.${domain}:8443`;
			const warning = expect.stringMatching(`^EVENTFERRY_ORIGINS allows https://\\*\\.${domain}.*anybody`);
			expect(await ofVariables({ EVENTFERRY_ORIGINS })).toEqual([warning, warning]);
		},
	);
	test("every page without an origin", async () => {
		const warnings = await ofVariables({ EVENTFERRY_ORIGINS: "https://shop.example,null" });
		expect(warnings).toEqual([expect.stringMatching(/^EVENTFERRY_ORIGINS allows null: any site/)]);
	});
	test.each(["https://*.shop.co.uk", "https://*.web.de", "https://*.me.github.io", "https://shop.github.io"])(
		"but not %s",
		async (EVENTFERRY_ORIGINS) => expect(await ofVariables({ EVENTFERRY_ORIGINS })).toEqual([]),
	);

	test.each([
		["postgres://u:s3cr3t@db.example/shop", {}],
		["postgres://db/shop?sslmode=disable", { PGSSLMODE: "require" }],
		["postgres://10.0.0.1/shop?ssl=0", {}],
		["postgresql://localhost/shop?host=db.example", {}],
		["postgres://[2001:db8::1]/shop", { PGSSLMODE: "disable" }],
	])("a database that is reached in the clear: %s", async (EVENTFERRY_STORE, env) => {
		const warnings = await ofVariables({ EVENTFERRY_STORE }, env);
		expect(warnings).toEqual([expect.stringMatching(/^EVENTFERRY_STORE .*without TLS/)]);
		expect(warnings.join()).not.toContain("s3cr3t");
	});
	test.each([
		["postgres://db.example/shop?sslmode=verify-full", {}],
		["postgres://db.example/shop?ssl=true", {}],
		["postgres://db.example/shop?sslrootcert=/ca.pem", {}],
		["postgres://db.example/shop?sslnegotiation=direct", {}],
		["postgres://db.example/shop", { PGSSLMODE: "verify-full" }],
		["postgres://db.example/shop", { PGSSLMODE: "require", PGSSLROOTCERT: "/ca.pem" }],
		["postgres://127.0.0.1:5432/shop", {}],
		["postgres://[::1]/shop", {}],
		["postgres:///shop?host=/run/postgresql", {}],
		["postgres://%2Frun%2Fpostgresql/shop", {}],
	])("but not %s", async (EVENTFERRY_STORE, env) => expect(await ofVariables({ EVENTFERRY_STORE }, env)).toEqual([]));

	test.each([
		["postgres://u:s3cr3t@db.example/shop?sslmode=no-verify", {}],
		["postgres://db.example/shop?sslmode=allow", {}],
		["postgres://db.example/shop?sslmode=prefer", {}],
		["postgres://db.example/shop?ssl=no-verify", {}],
		["postgres://db.example/shop?uselibpqcompat=true&sslmode=require", {}],
		["postgres://db.example/shop?sslmode=require", {}],
		["postgres://db.example/shop", { PGSSLMODE: "require" }],
		["postgres://db.example/shop", { PGSSLMODE: "no-verify" }],
		["postgres://db.example/shop?ssl=no-verify&sslnegotiation=direct", {}],
	])("a database that anybody on the way can pretend to be: %s", async (EVENTFERRY_STORE, env) => {
		const warnings = await ofVariables({ EVENTFERRY_STORE }, env);
		expect(warnings).toEqual([expect.stringMatching(/^EVENTFERRY_STORE .*does not verify/)]);
		expect(warnings.join()).not.toContain("s3cr3t");
	});
	test.each([
		"postgres://db.example/shop?sslmode=require&sslrootcert=/ca.pem",
		"postgres://db.example/shop?sslmode=verify-ca&sslrootcert=/ca.pem",
		"postgres://db.example/shop?uselibpqcompat=true&sslmode=require&sslrootcert=/ca.pem",
		"postgres://127.0.0.1/shop?sslmode=no-verify",
	])("but not %s", async (EVENTFERRY_STORE) => expect(await ofVariables({ EVENTFERRY_STORE })).toEqual([]));

	test.each([
		"a".repeat(40),
		"ab".repeat(20),
		"1234567890".repeat(4),
		"0123456789012345678901234567890123456789",
		"abcdefghijklmnopqrstuvwxyz0123456789",
		"zyxwvutsrqponmlkjihgfedcba9876543210",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890",
		"secretsecretsecretsecretsecretsecret",
		"aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb",
		"qwertyuiopqwertyuiopqwertyuiopqw",
		`${"a".repeat(39)}b`,
	])("a long secret that follows a pattern: %s", async (secret) => {
		const warnings = await ofVariables({ EVENTFERRY_SERVER_KEY: secret });
		expect(warnings).toEqual([expect.stringMatching(/^EVENTFERRY_SERVER_KEY follows a pattern/)]);
		expect(warnings.join()).not.toContain(secret);
	});
	test("but no random one, in whatever alphabet", async () => {
		for (let n = 0; n < 300; n += 1) {
			for (const encoding of ["hex", "base64", "base64url"] as const) {
				const EVENTFERRY_SERVER_KEY = randomBytes(encoding === "hex" ? 16 : 24).toString(encoding);
				expect(await ofVariables({ EVENTFERRY_SERVER_KEY })).toEqual([]);
			}
		}
	});
});

describe("a store", () => {
	test.each([
		["a file", "sqlite:./x.db", "sqlite:./x.db"],
		["a database", "postgres://ferry:s3cr3t@db.example:5433/shop", "postgres://ferry:***@db.example:5433/shop"],
		["a database with the other scheme", "postgresql://ferry@db.example/shop", "postgresql://ferry@db.example/shop"],
		[
			"a database with a password in its parameters",
			"postgres://db/shop?user=ferry&password=s3cr3t",
			"postgres://db/shop",
		],
		["a database behind a socket", "postgres:///shop?host=/run/postgresql", "postgres:///shop"],
	])("can be %s, and is shown without its password", async (_name, store, shown) => {
		const { store: taken } = await fromEnvironment({ ...smallest, EVENTFERRY_STORE: store });
		expect([taken, shownStore(taken)]).toEqual([store, shown]);
	});
});

describe("a mistake is refused with the name of its variable", () => {
	test.each<[string, Record<string, string | undefined>]>([
		["EVENTFERRY_WRITE_KEY", { EVENTFERRY_WRITE_KEY: undefined }],
		["EVENTFERRY_ORIGINS", { EVENTFERRY_ORIGINS: undefined }],
		["EVENTFERRY_ORIGINS", { EVENTFERRY_ORIGINS: " , " }],
		["EVENTFERRY_ORIGINS", { EVENTFERRY_ORIGINS: "https://shop.example/" }],
		["EVENTFERRY_ORIGINS", { EVENTFERRY_ORIGINS: "https://shop.example/path" }],
		["EVENTFERRY_ORIGINS", { EVENTFERRY_ORIGINS: "shop.example" }],
		["EVENTFERRY_ORIGINS", { EVENTFERRY_ORIGINS: "*" }],
		...[
			["https://*", "https://*.example", "*.shop.example", "https://*shop.example", "https://a.*.shop.example"],
			["https://*.shop.example/", "https://*.*.shop.example", "https://*.192.0.2.1", "ftp://*.shop.example"],
			["https://*.Shop.example", "https://*.shop.example:443", "https://*.shop.example@evil.example"],
		]
			.flat()
			.map((origin): [string, Record<string, string>] => ["EVENTFERRY_ORIGINS", { EVENTFERRY_ORIGINS: origin }]),
		["EVENTFERRY_ORIGINS", { EVENTFERRY_ORIGINS: "NULL" }],
		["EVENTFERRY_ORIGINS", { EVENTFERRY_ORIGINS: "https://good.example,https://Bad.example" }],
		["EVENTFERRY_IDENTITY", { EVENTFERRY_IDENTITY: "closed" }],
		["EVENTFERRY_SERVER_KEY must not be a write key", { EVENTFERRY_SERVER_KEY: "site_shop" }],
		["EVENTFERRY_ADMIN_TOKEN must not be a write key", { EVENTFERRY_ADMIN_TOKEN: "site_shop" }],
		["EVENTFERRY_IDENTITY_SECRET must not be a write key", { EVENTFERRY_IDENTITY_SECRET: "a,site_shop" }],
		["EVENTFERRY_SERVER_KEY must not", { EVENTFERRY_SERVER_KEY: "site_shop", EVENTFERRY_LOG_LEVEL: "loud" }],
		["EVENTFERRY_IDENTITY_SECRET is missing", { EVENTFERRY_IDENTITY: "verified" }],
		["EVENTFERRY_IDENTITY_SECRET is missing", { EVENTFERRY_IDENTITY: "verified", EVENTFERRY_IDENTITY_SECRET: " , " }],
		...[
			"-1",
			"31",
			"1.5",
			"everybody",
			"0.0.0.0/0",
			"::/0",
			"10.0.0.0/33",
			"10.0.0",
			"::1/129",
			"127.0.0.1,",
			"127.0.0.1/x",
		].map((value): [string, Record<string, string>] => ["EVENTFERRY_TRUST_PROXY", { EVENTFERRY_TRUST_PROXY: value }]),
		["EVENTFERRY_STORE", { EVENTFERRY_STORE: "postgres://" }],
		["EVENTFERRY_STORE", { EVENTFERRY_STORE: "postgres://user:p@ss word@db:port/x" }],
		["EVENTFERRY_STORE", { EVENTFERRY_STORE: "mysql://db" }],
		["EVENTFERRY_STORE", { EVENTFERRY_STORE: "sqlite:" }],
		["EVENTFERRY_LOG_LEVEL", { EVENTFERRY_LOG_LEVEL: "loud" }],
		["PORT", { PORT: "http" }],
		["PORT", { PORT: "-1" }],
		["PORT", { PORT: "65536" }],
		["PORT", { PORT: "80.5" }],
		["PORT", { PORT: "0x50" }],
		["PORT", { PORT: "8788 9" }],
		["CRISP_WEBSITE_ID", { CRISP_IDENTIFIER: "i", CRISP_KEY: "k" }],
		["CRISP_IDENTIFIER", { CRISP_WEBSITE_ID: "w", CRISP_KEY: "k" }],
		["CRISP_KEY", { CRISP_WEBSITE_ID: "w", CRISP_IDENTIFIER: "i" }],
		["CRISP_CREATE_FIRST", { CRISP_WEBSITE_ID: "w", CRISP_IDENTIFIER: "i", CRISP_KEY: "k", CRISP_CREATE_FIRST: "yes" }],
		["CRISP_TIER", { CRISP_WEBSITE_ID: "w", CRISP_IDENTIFIER: "i", CRISP_KEY: "k", CRISP_TIER: "user" }],
		["VIBETRACE_BASE_URL", { VIBETRACE_BASE_URL: "not a url" }],
		["VIBETRACE_API_KEY_FILE", { VIBETRACE_API_KEY: undefined, VIBETRACE_API_KEY_FILE: "/nowhere/at/all" }],
	])("%s in %j", async (name, env) => {
		expect(await refusal(fromEnvironment({ ...smallest, ...env }))).toContain(name);
	});

	test("a missing destination is refused with the names of all providers", async () => {
		const message = await refusal(fromEnvironment({ ...smallest, VIBETRACE_API_KEY: undefined }));
		for (const name of ["Crisp", "HelpCrunch", "Vibetrace"]) expect(message).toContain(name);
	});

	test("a rule for web hooks without a secret to verify them is refused with the names of the secrets", async () => {
		const crisp = { websiteId: "w", identifier: "i", key: "k" };
		const withRules = (...from: string[]) => ({
			sites: [{ ...site, crisp, inbound: from.map((name) => ({ from: name, event: "x", as: "track" })) }],
		});
		const rules = await fileOf("rules.json", withRules("crisp", "helpcrunch"));
		const message = await refusal(loadConfig({ file: rules, env: { CRISP_BASE_URL: "http://127.0.0.1" } }));
		expect(message).toMatch(/sites\[0\]\.inbound\[0\]\.from needs crisp\.hookSecret or crisp\.hookKey: .* Crisp /);
		expect(message).toMatch(/sites\[0\]\.inbound\[1\]\.from needs helpcrunch\.hookSecret: .* HelpCrunch /);
		for (const rules of [
			[null, { from: "crisp", event: "x", as: "track" }],
			[7, { from: "crisp" }],
		]) {
			const wrong = await fileOf("wrong.json", {
				sites: [{ ...site, serverKey: "white space", crisp, inbound: rules }],
			});
			const both = await refusal(loadConfig({ file: wrong, env: {} }));
			expect(both).toMatch(/EVENTFERRY_SERVER_KEY must not contain white space/);
			expect(both).toMatch(/inbound\[1\]\.from needs crisp\.hookSecret/);
			expect(both).toMatch(/inbound\[0\]/);
		}
		const silent = await fileOf("silent.json", withRules("vibetrace"));
		expect(await refusal(loadConfig({ file: silent, env: {} }))).toMatch(/from must be "crisp" or "helpcrunch"/);
		const heard = { file: await fileOf("heard.json", withRules("crisp")), env: { CRISP_HOOK_KEY: "k" } };
		expect((await loadConfig(heard)).sites[0]?.inbound).toHaveLength(1);
	});

	test("all mistakes are reported at once, each with its name", async () => {
		const message = await refusal(
			fromEnvironment({
				PORT: "http",
				EVENTFERRY_ORIGINS: "shop.example",
				EVENTFERRY_STORE: "mysql://db",
				EVENTFERRY_LOG_LEVEL: "loud",
				CRISP_KEY: "k",
				VIBETRACE_API_KEY: "v",
				VIBETRACE_BASE_URL: "http://vibetrace.example/v1",
				HELPCRUNCH_API_KEY_FILE: "/nowhere/at/all",
			}),
		);
		for (const name of [
			"PORT",
			"EVENTFERRY_WRITE_KEY",
			"EVENTFERRY_ORIGINS",
			"EVENTFERRY_STORE",
			"EVENTFERRY_LOG_LEVEL",
			"CRISP_WEBSITE_ID",
			"CRISP_IDENTIFIER",
			"VIBETRACE_BASE_URL",
			"HELPCRUNCH_API_KEY_FILE",
		]) {
			expect(message).toContain(name);
		}
		expect(message).not.toContain("CRISP_KEY");
	});

	test("an empty environment is refused with the names of everything it needs", async () => {
		const message = await refusal(fromEnvironment({}));
		expect(message).toContain("EVENTFERRY_WRITE_KEY");
		expect(message).toContain("EVENTFERRY_ORIGINS");
		expect(message).toMatch(/destination/);
	});

	test("the message never contains a secret, nor any value where a secret could stand", async () => {
		const secret = "s3cr3t-\u00e9-value";
		const env = {
			PORT: secret,
			EVENTFERRY_WRITE_KEY: secret,
			EVENTFERRY_ORIGINS: secret,
			EVENTFERRY_SERVER_KEY: secret,
			EVENTFERRY_ADMIN_TOKEN: secret,
			EVENTFERRY_STORE: `postgres://user:${secret}@db:port/x`,
			EVENTFERRY_IDENTITY: secret,
			EVENTFERRY_IDENTITY_SECRET: secret,
			EVENTFERRY_TRUST_PROXY: secret,
			CRISP_WEBSITE_ID: secret,
			CRISP_IDENTIFIER: secret,
			CRISP_KEY: secret,
			CRISP_TIER: secret,
			CRISP_BASE_URL: `http://user:${secret}@crisp.example/v1`,
			HELPCRUNCH_API_KEY: secret,
			VIBETRACE_API_KEY: secret,
		};
		const message = await refusal(fromEnvironment(env));
		for (const name of ["EVENTFERRY_SERVER_KEY", "EVENTFERRY_ADMIN_TOKEN", "CRISP_KEY", "HELPCRUNCH_API_KEY"]) {
			expect(message).toContain(name);
		}
		expect(message).not.toContain("s3cr3t");
		const broken = await fileOf("broken.json", `{ "adminToken": "s3cr3t", }`);
		expect(await refusal(loadConfig({ file: broken, env: {} }))).not.toContain("s3cr3t");
		const throwing = await fileOf("throwing.mjs", `throw new Error("s3cr3t");`);
		expect(await refusal(loadConfig({ file: throwing, env: {} }))).not.toContain("s3cr3t");
	});

	test.each([
		["EVENTFERRY_SERVER_KEY", "two words"],
		["EVENTFERRY_ADMIN_TOKEN", "two words"],
		["EVENTFERRY_ADMIN_TOKEN", "trailing "],
		["EVENTFERRY_SERVER_KEY", "two\nlines"],
	])("%s %j is refused, as it cannot be sent as a bearer token", async (name, value) => {
		expect(await refusal(fromEnvironment({ ...smallest, [name]: value }))).toContain(name);
	});
});

describe("a placeholder that was pasted from documentation", () => {
	const says = /is still a placeholder from the documentation/;
	const named = (name: string) => new RegExp(`^ {2}${name} (entry 1 )?is still a placeholder`, "m");

	test.each(Object.keys(everything))("is refused in %s", async (name) => {
		for (const placeholder of ["…", "<value>"]) {
			const message = await refusal(fromEnvironment({ ...everything, [name]: placeholder }));
			expect(message).toMatch(named(name));
			// Nothing else is said of it.
			expect(message.split(name)).toHaveLength(2);
		}
	});

	test.each([
		["EVENTFERRY_WRITE_KEY", "site_…"],
		["EVENTFERRY_WRITE_KEY", "site_your-shop"],
		["EVENTFERRY_ORIGINS", "https://<your-domain>"],
		["EVENTFERRY_ORIGINS", "https://your-shop.com"],
		["EVENTFERRY_STORE", "postgres://user:password@host/database"],
		["EVENTFERRY_STORE", "postgres://ferry:…@host/database"],
		["EVENTFERRY_SERVER_KEY", "your-key"],
		["EVENTFERRY_SERVER_KEY", "YOUR_SERVER_KEY"],
		["EVENTFERRY_SERVER_KEY", "change-me"],
		["EVENTFERRY_ADMIN_TOKEN", "token.example.com"],
		["EVENTFERRY_IDENTITY_SECRET", "an-example-secret"],
		["CRISP_KEY", "yourApiKey"],
		["CRISP_KEY", "xxxxxxxx"],
		["HELPCRUNCH_API_KEY", "<your key>"],
		["VIBETRACE_API_KEY", "$" + "{VIBETRACE_API_KEY}"],
		["VIBETRACE_API_KEY", "..."],
	])("is refused in %s as %s, and not repeated if it may be a secret", async (name, placeholder) => {
		const message = await refusal(fromEnvironment({ ...everything, [name]: placeholder }));
		expect(message).toMatch(named(name));
		if (/KEY|TOKEN|SECRET/.test(name)) expect(message).not.toContain(`${placeholder} `);
	});

	test("is refused in a file and in code, by its path", async () => {
		const two = { sites: [site, { ...site, writeKey: "site_…", vibetrace: { apiKey: "your-key" } }] };
		const message = await refusal(loadConfig({ file: await fileOf("placeholders.json", two), env: {} }));
		expect(message).toMatch(/sites\[1\]\.writeKey is still a placeholder/);
		expect(message).toMatch(/sites\[1\]\.vibetrace\.apiKey is still a placeholder/);
		expect(() => createProxy({ sites: [{ ...site, serverKey: "<server key>" }] })).toThrow(says);
	});

	test.each([
		["EVENTFERRY_SERVER_KEY", "f3a9example0b7c41d2e8a56f9b3c7d1e20"],
		["EVENTFERRY_ADMIN_TOKEN", "shop.example.com-9f4b1c7d3e8a2b6f5d0c"],
		["EVENTFERRY_IDENTITY_SECRET", "k7Qplaceholder2x9Vb4Tn8Zr1Lm6Wd3Hs"],
		["CRISP_KEY", "7c1changeme9a4f2e8b3d6c0a5f1e7b9d4"],
		["HELPCRUNCH_API_KEY", "$2y8vbn3kq9dw7zr5"],
		["VIBETRACE_API_KEY", "your-3f8a1b9c2d7e4f6a0b5c"],
		["EVENTFERRY_STORE", "postgres://ferry:x4kf92ma0q@db.your-server.de/ferry"],
		["EVENTFERRY_ORIGINS", "https://your-nutrition.co.uk"],
		["EVENTFERRY_WRITE_KEY", "site_changemakers"],
		["EVENTFERRY_WRITE_KEY", "site_exchange_media"],
	])("does not keep out in %s what only looks like one: %s", async (name, value) => {
		await expect(fromEnvironment({ ...everything, [name]: value })).resolves.toBeDefined();
	});

	test("does not keep out names of events, origins and keys that are somebody's own", async () => {
		const own = {
			...everything,
			EVENTFERRY_WRITE_KEY: "site_yourstruly",
			EVENTFERRY_ORIGINS: "https://yours.example, https://myshop.example",
			VIBETRACE_EVENTS: "your order placed, change-me: done, …more",
		};
		expect((await fromEnvironment(own)).sites[0]?.vibetrace?.events).toHaveLength(3);
	});
});

describe("a base URL", () => {
	test.each([
		"https://proxy.example/v1",
		"http://127.0.0.1:8080/v1",
		"http://127.9.9.9/v1",
		"http://localhost/v1",
		"http://[::1]:8080/v1",
	])("may be %s", async (url) => {
		const { sites } = await fromEnvironment({ ...smallest, VIBETRACE_BASE_URL: url });
		expect(sites[0]?.vibetrace?.baseUrl).toBe(url);
	});

	test.each([
		"http://api.vtcdn.net/v1",
		"HTTP://api.vtcdn.net/v1",
		" http://api.vtcdn.net/v1",
		"ht\ttp://api.vtcdn.net/v1",
		"http:\\\\api.vtcdn.net",
		"http://127.0.0.1.evil.example/v1",
		"http://localhost.evil.example/v1",
		"http://127.0.0.1@evil.example/v1",
		"http://evil.example#127.0.0.1",
		"http://0.0.0.0/v1",
		"http://10.0.0.1/v1",
		"http://169.254.169.254/latest",
		"ftp://127.0.0.1/v1",
		"file:///etc/passwd",
		"//api.vtcdn.net/v1",
		"api.vtcdn.net/v1",
	])("may not be %j, as keys would be sent unencrypted, or nowhere", async (url) => {
		expect(await refusal(fromEnvironment({ ...smallest, VIBETRACE_BASE_URL: url }))).toContain("VIBETRACE_BASE_URL");
	});
});

describe("a value in a file of its own", () => {
	test("is read from the path in NAME_FILE, without the line break at its end", async () => {
		const { VIBETRACE_API_KEY: _, ...rest } = smallest;
		const config = await fromEnvironment({
			...rest,
			VIBETRACE_API_KEY_FILE: await fileOf("vt", "vt-of-the-secret\n"),
			EVENTFERRY_SERVER_KEY_FILE: await fileOf("sk", "sk-of-the-secret\r\n"),
			EVENTFERRY_ADMIN_TOKEN_FILE: await fileOf("at", "at-of-the-secret"),
		});
		expect(config).toMatchObject({
			adminToken: "at-of-the-secret",
			sites: [{ serverKey: "sk-of-the-secret", vibetrace: { apiKey: "vt-of-the-secret" } }],
		});
	});

	test("may be that of any variable", async () => {
		const files = Object.entries(everything).map(async ([name, value]) => [`${name}_FILE`, await fileOf(name, value)]);
		const config = await fromEnvironment(Object.fromEntries(await Promise.all(files)));
		expect(config).toEqual(await fromEnvironment(everything));
	});

	test("is overridden by the variable itself, and ignored if it is empty", async () => {
		const env = {
			...smallest,
			VIBETRACE_API_KEY_FILE: await fileOf("other", "vt-of-the-file"),
			EVENTFERRY_ADMIN_TOKEN_FILE: await fileOf("empty", "\n"),
		};
		const { adminToken, sites } = await fromEnvironment(env);
		expect([adminToken, sites[0]?.vibetrace?.apiKey]).toEqual([undefined, "vt-key"]);
	});
});

describe("a configuration file", () => {
	test.each([
		["eventferry.config.json", JSON.stringify({ port: 9000, sites: [site] })],
		["eventferry.config.mjs", `export default ${JSON.stringify({ port: 9000, sites: [site] })};`],
	])("%s is read", async (name, content) => {
		const config = await loadConfig({ file: await fileOf(name, content), env: {} });
		expect(config).toMatchObject({ port: 9000, host: "127.0.0.1", sites: [site] });
	});

	test("is overridden by the environment, and that by code", async () => {
		const file = await fileOf("order.json", { port: 9000, host: "127.0.0.2", logLevel: "error", sites: [site] });
		const env = { PORT: "9001", HOST: "127.0.0.3", VIBETRACE_API_KEY: "vt-of-the-environment" };
		const config = await loadConfig({ file, env, overrides: { port: 9002 } });
		expect(config).toMatchObject({
			port: 9002,
			host: "127.0.0.3",
			logLevel: "error",
			sites: [{ writeKey: "site_file", vibetrace: { apiKey: "vt-of-the-environment" } }],
		});
	});

	test("may name several sites, each with its own keys", async () => {
		const other = { ...site, writeKey: "site_other", origins: ["https://other.example"] };
		const { sites } = await loadConfig({ file: await fileOf("two.json", { sites: [site, other] }), env: {} });
		expect(sites.map(({ writeKey }) => writeKey)).toEqual(["site_file", "site_other"]);
	});

	test("with several sites refuses a variable for one site, instead of applying it to the first", async () => {
		const other = { ...site, writeKey: "site_other" };
		const file = await fileOf("two-and-env.json", { sites: [site, other] });
		expect(await refusal(loadConfig({ file, env: { VIBETRACE_API_KEY: "x" } }))).toContain("VIBETRACE_API_KEY");
		expect(await loadConfig({ file, env: { PORT: "9001", EVENTFERRY_ADMIN_TOKEN: "at" } })).toMatchObject({
			port: 9001,
		});
	});

	test.each([
		["a write key twice", { sites: [site, site] }, /sites must each have a write key of their own/],
		["no site", { sites: [] }, /site/],
		["an unknown option", { sites: [site], prot: 80 }, /the configuration has no option "prot"$/],
		["an unknown option of a site", { sites: [{ ...site, writekey: "x" }] }, /sites\[0\] has no option "writekey"$/],
		["an unknown destination", { sites: [{ ...site, intercom: {} }] }, /intercom/],
		["an unknown option of a destination", { sites: [{ ...site, vibetrace: { apiKey: "v", key: "v" } }] }, /"key"/],
		[
			"an event that is no text",
			{ sites: [{ ...site, vibetrace: { apiKey: "v", events: ["x", 7] } }] },
			/VIBETRACE_EVENTS entry 2 must be text: a type \(track, /,
		],
		[
			"an unknown createPeople",
			{ sites: [{ ...site, vibetrace: { apiKey: "v", createPeople: "x" } }] },
			/createPeople must be "always", "verified", "never", or a list of types and names of events/,
		],
		[
			"an empty list in createPeople",
			{ sites: [{ ...site, vibetrace: { apiKey: "v", createPeople: [] } }] },
			/createPeople is empty: name the events/,
		],
		[
			"something else in createPeople",
			{ sites: [{ ...site, vibetrace: { apiKey: "v", createPeople: ["confirmation", 7] } }] },
			/createPeople/,
		],
		["an invalid occurredAt", { sites: [{ ...site, vibetrace: { apiKey: "v", occurredAt: true } }] }, /occurredAt/],
		["a port as text", { sites: [site], port: "80" }, /PORT|port/],
		["sites that are not a list", { sites: { site } }, /sites must be a list$/],
		["origins that are not a list", { sites: [{ ...site, origins: "x" }] }, /EVENTFERRY_ORIGINS must be a list: /],
		["a site that is null", { sites: [null] }, /sites\[0\] must be an object$/],
		["a key that is a number", { sites: [{ ...site, serverKey: 7 }] }, /SERVER_KEY|serverKey/],
		["no secret for verified identity", { sites: [{ ...site, identity: "verified" }] }, /EVENTFERRY_IDENTITY_SECRET/],
		["a secret with a comma", { sites: [{ ...site, identitySecrets: ["a,b"] }] }, /EVENTFERRY_IDENTITY_SECRET entry 1/],
		["an invalid trusted proxy", { sites: [site], trustProxy: "somebody" }, /EVENTFERRY_TRUST_PROXY .*loopback/],
		["a rate limit of 0", { sites: [site], rateLimit: { perAddress: 0 } }, /rateLimit\.perAddress/],
		["rate limits that are a number", { sites: [site], rateLimit: 600 }, /rateLimit must be an object$/],
		["a store of 100 bytes", { sites: [site], maxStoreBytes: 100 }, /EVENTFERRY_MAX_STORE_BYTES.*1 MB/],
		["a store of text", { sites: [site], maxStoreBytes: "4 gigs" }, /EVENTFERRY_MAX_STORE_BYTES .*4G/],
		[
			"many bytes a minute",
			{ sites: [site], rateLimit: { bytesPerAddress: "many" } },
			/rateLimit\.bytesPerAddress .*4G/,
		],
		["no bytes a minute", { sites: [site], rateLimit: { bytesPerAddress: "0k" } }, /rateLimit\.bytesPerAddress/],
		["a list", [site], /WRITE_KEY|sites/],
		["text", '"hello"', /WRITE_KEY|sites|--config/],
		["invalid JSON", "{ sites: ", /\.json/],
	])("with %s is refused with its name", async (name, content, expected) => {
		const file = await fileOf(`${name.replaceAll(" ", "-")}.json`, content);
		expect(await refusal(loadConfig({ file, env: {} }))).toMatch(expected);
	});

	test.each([
		["number.json", 5, /number\.json cannot be used: it must be an object, such as \{ sites: \[…\] \}$/],
		["null.json", null, /null\.json cannot be used: it must be an object, such as \{ sites: \[…\] \}$/],
		["list.json", [], /list\.json cannot be used: it must be an object, such as \{ sites: \[…\] \}$/],
		["number.mjs", "export default 5;", /number\.mjs cannot be used: its default export must be an object, /],
		[
			"function.mjs",
			"export default () => ({});",
			/function\.mjs cannot be used: its default export must be an object, /,
		],
		["sites.json", { sites: {} }, /sites must be a list$/],
		["site.json", { sites: [7] }, /sites\[0\] must be an object$/],
		["account.json", { sites: [{ vibetrace: "x" }] }, /vibetrace must be an object$/],
	])("of the wrong shape is not hidden by the environment: %s", async (name, content, expected) => {
		expect(await refusal(loadConfig({ file: await fileOf(name, content), env: smallest }))).toMatch(expected);
	});

	test("with mistakes in the second site says which site", async () => {
		const file = await fileOf("second.json", { sites: [site, { ...site, writeKey: "b", origins: [] }] });
		expect(await refusal(loadConfig({ file, env: {} }))).toMatch(/sites\[1\]\.origins/);
	});

	test("that does not exist is refused with its path", async () => {
		expect(await refusal(loadConfig({ file: join(folder, "none.mjs"), env: {} }))).toMatch(/none\.mjs .*no such file$/);
	});
});

describe("in code", () => {
	test("defineConfig returns its argument, and createProxy refuses mistakes in it", () => {
		const config = defineConfig({ sites: [site], logLevel: "silent" });
		expect(config).toEqual({ sites: [site], logLevel: "silent" });
		expect(() => createProxy(config)).not.toThrow();
		expect(() => createProxy({ sites: [{ writeKey: "", origins: [] }] })).toThrow(/WRITE_KEY[\s\S]*ORIGINS/);
	});

	test("a site without a destination is accepted with a warning", async () => {
		const nowhere = { writeKey: "a", origins: ["https://a.example"] };
		const proxy = createProxy({ sites: [nowhere], store: "sqlite::memory:", logLevel: "silent" });
		await proxy.start();
		await proxy.track({ type: "track", name: "x", person: { userId: "u" } });
		await proxy.stop();
		expect(warningsOf(checkConfig({ sites: [nowhere] }))).toEqual([expect.stringMatching(/^destinations .*nowhere/)]);
		expect(warningsOf(checkConfig({ sites: [site] }))).toEqual([]);
	});

	test("createProxy does not change the configuration it is given", () => {
		const config = { sites: [structuredClone(site)], logLevel: "silent" as const };
		const before = structuredClone(config);
		createProxy(config);
		expect(config).toEqual(before);
	});
});
