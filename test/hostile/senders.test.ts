import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as rawRequest } from "node:http";
import { text } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import { adminToken, batchOf, event, origin, problemOf, serverKey, writeKey } from "../support/proxy.ts";
import { type Built, command, threats } from "./built.ts";

const blog = "https://blog.example";

/** Sends a request with exactly this path and these headers, `Host` and `Origin` included. */
async function raw({ url }: Built, method: string, path: string, headers: Record<string, string> = {}) {
	const { hostname, port } = new URL(url);
	const request = rawRequest({ hostname, port, method, path, headers }).end();
	const [response] = await once(request, "response");
	return { status: response.statusCode as number, headers: response.headers, body: await text(response) };
}

/** Sends a batch from an origin. Expects it to be refused for its origin. */
async function refusedBatch({ post }: Built, from: string, changes: object = {}): Promise<void> {
	const response = await post({ ...batchOf(event({ name: "forged" })), ...changes }, { origin: from });
	expect(await problemOf(response), from).toMatchObject({ status: 403, code: "origin_not_allowed" });
}

threats(
	"senders",
	{
		site: { origins: [origin, "https://*.customers.example:8443"], serverKey },
	},
	{
		"a page of another origin sends events": async (built) => {
			for (const from of [
				...["https://evil.example", "http://shop.example", "https://shop.example:8443", "https://www.shop.example"],
				...["https://shop.example.evil.example", "https://evilshop.example", "https://shop.example@evil.example"],
				...["https://evil.example#https://shop.example", "https://shop.example, https://evil.example"],
				...["HTTPS://SHOP.EXAMPLE", "https://shop.example/", "null", "*", ""],
			])
				await refusedBatch(built, from);
			expect((await built.post(batchOf(event()), { origin: undefined })).status).toBe(403);
		},
		"a sandboxed frame of another site sends events": async (built) => {
			for (const from of ["null", "NULL", "null, null"]) await refusedBatch(built, from);
			const preflight = await raw(built, "OPTIONS", "/v1/batch", { origin: "null" });
			expect(preflight.status).toBe(403);
		},
		"an origin only looks like a subdomain of ours": async (built) => {
			const customer = "https://ada.customers.example:8443";
			expect((await built.post(batchOf(event()), { origin: customer })).status).toBe(202);
			for (const from of [
				...["https://customers.example:8443", "https://.customers.example:8443", "https://evilcustomers.example:8443"],
				...["http://ada.customers.example:8443", "https://ada.customers.example", "https://*.customers.example:8443"],
				...["https://evil.example/.customers.example:8443", "https://evil.example:1.customers.example:8443"],
				...["https://evil.example@ada.customers.example:8443", "https://evil.example?.customers.example:8443"],
			])
				await refusedBatch(built, from);
		},
		"a page of another origin reads what the proxy answers": async (built) => {
			for (const [method, path] of [
				...(["POST", "OPTIONS", "GET"] as const).map((each) => [each, "/v1/batch"] as const),
				...["/v1/events", "/admin/stats", "/readyz", "/metrics"].map((each) => ["GET", each] as const),
			]) {
				const { headers } = await raw(built, method, path, { origin: "https://evil.example", "content-length": "0" });
				// Errors of /v1/batch are readable everywhere, so that a page learns that its origin is not listed.
				const readableBy = path === "/v1/batch" && method !== "OPTIONS" ? "*" : undefined;
				expect(headers["access-control-allow-origin"], `${method} ${path}`).toBe(readableBy);
				expect(headers["access-control-allow-credentials"]).toBeUndefined();
				if (path === "/v1/batch") expect(headers.vary).toMatch(/\bOrigin\b/);
			}
			const { status, headers } = await built.post(batchOf(event()), { origin: "https://evil.example" });
			expect([status, headers.get("access-control-allow-origin")]).toEqual([403, "*"]);
			const ours = await raw(built, "OPTIONS", "/v1/batch", { origin });
			expect(ours.headers).toMatchObject({ "access-control-allow-origin": origin, "access-control-max-age": "86400" });
			expect(ours.headers["access-control-allow-credentials"]).toBeUndefined();
		},
		"a write key is made up": async ({ post }) => {
			for (const key of ["site_nobody", "", `${writeKey} `, `${writeKey}\0`, writeKey.slice(0, -1), serverKey]) {
				const response = await post({ ...batchOf(event()), writeKey: key });
				expect(await problemOf(response), key).toMatchObject({ status: 401, code: "invalid_write_key" });
			}
		},
		"a visitor sends as the backend": async ({ post, settled, sandbox }) => {
			const given = [undefined, "Bearer", "Bearer ", serverKey, `Basic ${serverKey}`, `Bearer ${writeKey}`];
			for (const authorization of [...given, `Bearer ${adminToken}`, `Bearer ${serverKey}, x`, "Bearer undefined"]) {
				const response = await post({ events: [event({ name: "forged" })] }, { authorization }, "/v1/events");
				expect(await problemOf(response), authorization).toMatchObject({ status: 401, code: "invalid_server_key" });
			}
			await settled(0);
			expect(JSON.stringify(sandbox.requests())).not.toContain("forged");
		},
		"a visitor sends as the backend by Segment's API": async ({ post, settled, sandbox }) => {
			const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
			const call = { event: "forged", traits: { email: "ada@example.com" } };
			const wrong = [
				"x:",
				":",
				"",
				`:${serverKey}`,
				`x${serverKey}:`,
				`${serverKey}x:`,
				` ${serverKey}:`,
				`${adminToken}:`,
			];
			for (const authorization of [
				...wrong.map(basic),
				`Bearer ${serverKey}`,
				`Basic ${serverKey}`,
				"Basic",
				undefined,
			]) {
				for (const path of ["/segment/v1/track", "/segment/v1/batch", "/v1/batch"]) {
					const response = await post({ ...call, batch: [{ type: "track", ...call }] }, { authorization }, path);
					expect([400, 401], `${path} ${authorization}`).toContain(response.status);
				}
			}
			// A write key is a page's wherever it stands.
			for (const changes of [{ authorization: basic(`${writeKey}:`) }, {}]) {
				const response = await post({ ...call, writeKey }, { origin: undefined, ...changes }, "/segment/v1/track");
				expect(await problemOf(response)).toMatchObject({ status: 403, code: "origin_not_allowed" });
			}
			expect((await post({ ...call, writeKey: serverKey }, {}, "/segment/v1/track")).status).toBe(401);
			await settled(0);
			expect(JSON.stringify(sandbox.requests())).not.toContain("forged");
		},
		"an operator's route is asked by somebody else": async (built) => {
			const given = [undefined, "Bearer ", `Bearer ${serverKey}`, `Basic ${adminToken}`, `Bearer ${adminToken}x`];
			for (const path of ["/admin/stats", "/admin/deadletters", "/ADMIN/stats", "//admin/stats", "/admin/./stats"]) {
				for (const authorization of given) {
					const { status, body } = await raw(built, "GET", path, { ...(authorization && { authorization }) });
					expect([401, 404], `${path} ${authorization}`).toContain(status);
					expect(body).not.toMatch(/destinations|items|journal/);
				}
			}
			for (const [method, path] of [
				["POST", "/admin/deadletters/replay"],
				["DELETE", "/admin/deadletters"],
			] as const)
				expect((await raw(built, method, path)).status).toBe(401);
		},
		"a path is spelled so that a reverse proxy's rule for it does not match": async (built) => {
			const [, rule = ""] = /`(\^\/ferry\/[^`]*admin[^`]*)`/.exec(readFileSync("docs/server.md", "utf8")) ?? [];
			const authorization = `Bearer ${adminToken}`;
			for (const path of ["/metrics", "/readyz", "/openapi.json", "/console", "/admin/stats"]) {
				expect((await raw(built, "GET", path, { authorization })).status, path).toBe(200);
				expect(`/ferry${path}`).toMatch(new RegExp(rule));
				const [first = "", ...rest] = path.slice(1);
				const upper = `/${first.toUpperCase()}${rest.join("")}`;
				const spellings = [path.toUpperCase(), upper, `${path}/`, `${upper}/`, `/${path}`, `${path}//`, `${path};x`];
				for (const spelling of [...spellings, `/.${path}`, `/x/..${path}`, `${path}/.`, `${path}%00`, `${path}%2f`]) {
					const { status } = await raw(built, "GET", spelling, { authorization });
					if (!new RegExp(rule).test(`/ferry${spelling}`)) expect(status, spelling).toBe(404);
				}
			}
			for (const path of ["/V1/batch", "/v1/Batch", "/v1/batch/"])
				expect((await built.post(batchOf(event()), {}, path)).status, path).toBe(404);
		},
		"a call that discards some dead letters loses its body": async ({ admin, batch, sandbox }) => {
			const clear = sandbox.fault("crisp", { status: 400 });
			await batch(event({ name: "kept" }));
			const dead = async () => (await (await admin("/deadletters")).json()).items.length;
			await vi.waitFor(async () => expect(await dead()).toBe(1));
			clear();
			for (const body of [undefined, "", "{}", "{ }"])
				for (const [method, path] of [
					["DELETE", "/deadletters"],
					["POST", "/deadletters/replay"],
				] as const)
					for (const type of ["application/json", "text/plain"]) {
						const { status } = await admin(path, { method, headers: { "content-type": type }, body: body ?? null });
						expect(status, `${method} ${body} ${type}`).toBe(body && type === "text/plain" ? 415 : 400);
					}
			expect(await dead()).toBe(1);
		},
	},
);

threats(
	"senders for one of two sites",
	{
		config: {
			sites: [writeKey, "site_blog"].map((key, index) => ({
				...{ writeKey: key, origins: [index === 0 ? origin : blog], serverKey: `server-key-of-${key}` },
				// No server listens on this port.
				vibetrace: { apiKey: "key", baseUrl: "http://127.0.0.1:9/v1" },
			})),
		},
	},
	{
		"a page of one site sends to another": async (built) => {
			expect((await built.post(batchOf(event()))).status).toBe(202);
			await refusedBatch(built, blog);
			await refusedBatch(built, origin, { writeKey: "site_blog" });
		},
	},
);

const hookSecret = "planted-hook-secret-0123456789";
threats(
	"web hooks and open pixels",
	{
		site: ({ crisp, helpcrunch }) => ({
			...{ crisp: { ...crisp, hookSecret, hookKey: "hook-key" }, helpcrunch: { ...helpcrunch, hookSecret } },
			...{ vibetrace: undefined, identitySecrets: ["an-identity-secret-of-the-shop-0123456789"] },
			inbound: [{ from: "crisp", event: "message:send", as: "track", name: "wrote" }],
		}),
	},
	{
		"a provider's web hook is made up": async ({ post, settled, sandbox }) => {
			const [crisp, helpcrunch] = [
				sandbox.destinations.crisp,
				{ event: "customer.new", eventData: { email: "ada@example.com" } },
			];
			const told = {
				website_id: crisp.websiteId,
				event: "message:send",
				data: { email: "ada@example.com" },
				timestamp: Date.now(),
			};
			const signed = (text: string, key: string) => createHmac("sha256", key).update(text).digest("hex");
			const now = String(Date.now());
			const old = String(Date.now() - 3_600_000);
			for (const [path, headers] of [
				["/v1/hooks/crisp", {}],
				["/v1/hooks/crisp?key=guess", {}],
				["/v1/hooks/crisp?key=", {}],
				["/v1/hooks/crisp", { "x-crisp-signature": "0".repeat(64), "x-crisp-request-timestamp": now }],
				[
					"/v1/hooks/crisp",
					{
						"x-crisp-signature": signed(`[${now};${JSON.stringify(told)}]`, "guess"),
						"x-crisp-request-timestamp": now,
					},
				],
				[
					"/v1/hooks/crisp",
					{
						"x-crisp-signature": signed(`[${old};${JSON.stringify(told)}]`, hookSecret),
						"x-crisp-request-timestamp": old,
					},
				],
				["/v1/hooks/helpcrunch", {}],
				["/v1/hooks/helpcrunch?key=hook-key", {}],
				["/v1/hooks/helpcrunch", { "x-helpcrunch-signature": "0".repeat(40) }],
			] as const) {
				const response = await post(
					path.includes("crisp?") || path.endsWith("crisp") ? told : helpcrunch,
					{ ...headers, origin: undefined },
					path,
				);
				expect(await problemOf(response), path).toMatchObject({ status: 403, code: "invalid_signature" });
			}
			expect((await settled(0)).events).toBe(0);
		},
		"an opened e-mail is made up": async ({ url, settled }) => {
			const claims = Buffer.from(JSON.stringify({ aud: "eventferry:open", email: "ada@example.com" })).toString(
				"base64url",
			);
			for (const token of ["", "x", `${btoa('{"alg":"none"}')}.${claims}.`, `${btoa('{"alg":"HS256"}')}.${claims}.x`]) {
				const response = await fetch(`${url}/v1/open.gif?t=${token}`);
				expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/gif"]);
			}
			expect((await settled(0)).events).toBe(0);
		},
	},
);

threats(
	"the sandbox",
	{ args: ["--sandbox"] },
	{
		"a web page reaches the sandbox by a name that it has made to point there": async (built) => {
			const { port } = new URL(built.url);
			expect((await raw(built, "GET", "/admin/stats", { host: `localhost:${port}` })).status).toBe(200);
			for (const host of [`evil.example:${port}`, `127.0.0.1.evil.example:${port}`, "localhost@evil.example"]) {
				for (const path of ["/admin/stats", "/sandbox/log", "/"]) {
					const { status, body } = await raw(built, "GET", path, { host, connection: "close" });
					expect([400, 401, 403], `${host}${path}`).toContain(status);
					expect(body).not.toMatch(/destinations|data:|<html/);
				}
			}
		},
		"a web page of another origin asks the sandbox": async (built) => {
			const { host } = new URL(built.url);
			for (const from of ["https://evil.example", "null", "http://127.0.0.1:1"])
				expect((await raw(built, "GET", "/admin/stats", { host, origin: from })).status).toBe(401);
			expect(
				(await built.post({ ...batchOf(), writeKey: "site_sandbox" }, { origin: "https://evil.example" })).status,
			).toBe(403);
		},
		"a web server in front opens the sandbox to everybody": async (built) => {
			const { host } = new URL(built.url);
			for (const name of ["x-forwarded-for", "forwarded"])
				expect((await raw(built, "GET", "/admin/stats", { host, [name]: "198.51.100.1" })).status).toBe(401);
		},
	},
);

test("a visitor reads a secret in the page, where it is also the write key", () => {
	const account = { CRISP_WEBSITE_ID: "w", CRISP_IDENTIFIER: "i", CRISP_KEY: "k" };
	const site = { EVENTFERRY_WRITE_KEY: writeKey, EVENTFERRY_ORIGINS: origin, ...account };
	for (const name of [
		"EVENTFERRY_SERVER_KEY",
		"EVENTFERRY_ADMIN_TOKEN",
		"EVENTFERRY_IDENTITY_SECRET",
		"CRISP_HOOK_KEY",
	]) {
		const env = { PATH: process.env.PATH, ...site, [name]: writeKey };
		const { status, stderr } = spawnSync(process.execPath, [command, "check"], { env, encoding: "utf8" });
		expect([name, status]).toEqual([name, 2]);
		expect(stderr).toContain(`${name} must not be a write key`);
	}
});
