import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { request as rawRequest } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import express from "express";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Sandbox } from "../../server/sandbox/index.ts";
import { deadLetterQuerySchema } from "../../shared/admin.ts";
import {
	adminToken,
	batchOf,
	event,
	origin,
	problemOf,
	type RunningProxy,
	runProxy,
	serverKey,
	writeKey,
} from "../support/proxy.ts";
import { temporaryFolder } from "../support/served.ts";
import { storeTornBatch } from "../support/torn-batch.ts";

const KB = 1_024;
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const json = { "content-type": "application/json" };

/** Makes a request whose path and headers are sent unchanged. */
async function raw(url: string, method: string, path: string, headers: Record<string, string> = {}) {
	const { hostname, port } = new URL(url);
	const request = rawRequest({ hostname, port, method, path, headers }).end();
	const [response] = await once(request, "response");
	return { status: response.statusCode as number, headers: response.headers, body: await text(response) };
}

/** Requests with events that Crisp accepted. */
const taken = (sandbox: Sandbox) =>
	sandbox
		.requests("crisp")
		.filter(({ path, status }) => path.includes("/people/events/") && status !== undefined && status < 300);
const namesTaken = (sandbox: Sandbox) => taken(sandbox).map(({ body }) => (body as { text: string }).text);

describe("a running proxy", () => {
	let running: RunningProxy;
	const otherSite = { writeKey: "site_blog", origins: ["https://blog.example"], serverKey: "server-key-of-the-blog" };
	beforeAll(async () => {
		running = await runProxy();
	});
	afterAll(() => running.stop());

	const refused = async (response: Response) => {
		const problem = await problemOf(response);
		expect(problem.status).toBe(response.status);
		expect(problem.title).toEqual(expect.stringMatching(/\w/));
		expect(problem.detail).toEqual(expect.stringMatching(/\w/));
		return [response.status, problem.code];
	};

	describe("accepts a batch", () => {
		test.each([
			["application/json", json],
			["application/json with a charset", { "content-type": "application/json; charset=utf-8" }],
			["text/plain, as a beacon sends it", { "content-type": "text/plain;charset=UTF-8" }],
		])("as %s", async (_name, headers) => {
			const response = await running.post(batchOf(event(), event()), headers);
			expect(response.status).toBe(202);
			expect(response.headers.get("content-type")).toMatch(/^application\/json/);
			expect(await response.json()).toEqual({ accepted: 2, rejected: [] });
		});

		test.each([["application/json"], ["text/plain"]])("compressed with gzip, as %s", async (type) => {
			const body = gzipSync(JSON.stringify(batchOf(event())));
			const response = await running.post(body, { "content-type": type, "content-encoding": "gzip" });
			expect([response.status, await response.json()]).toEqual([202, { accepted: 1, rejected: [] }]);
		});

		test("of a hundred events, and an empty one", async () => {
			const hundred = await running.batch(...Array.from({ length: 100 }, () => event()));
			expect(hundred).toEqual({ accepted: 100, rejected: [] });
			expect(await running.batch()).toEqual({ accepted: 0, rejected: [] });
		});

		test("with unknown fields", async () => {
			const body = { ...batchOf(event({ mood: "good", person: { email: "x@example.com", shoe: 43 } })), sdk: "9.9" };
			expect(await (await running.post(body)).json()).toEqual({ accepted: 1, rejected: [] });
		});

		test("of nearly 256 KB", async () => {
			const events = Array.from({ length: 16 }, () => event({ data: { text: "x".repeat(15.7 * KB) } }));
			const body = JSON.stringify(batchOf(...events));
			expect(body.length).toBeGreaterThan(250 * KB);
			expect(body.length).toBeLessThan(256 * KB);
			expect((await running.post(body)).status).toBe(202);
		});
	});

	describe("refuses a whole batch", () => {
		test.each<[string, unknown, Record<string, string | undefined>, number, string]>([
			["of 101 events", batchOf(...Array.from({ length: 101 }, () => event())), {}, 400, "malformed_body"],
			["that is not JSON", '{"writeKey":', {}, 400, "malformed_body"],
			["that is empty", "", {}, 400, "malformed_body"],
			["that is empty text/plain", "", { "content-type": "text/plain" }, 400, "malformed_body"],
			["that is a list", [], {}, 400, "malformed_body"],
			["that is null", "null", {}, 400, "malformed_body"],
			["that is text", '"hello"', {}, 400, "malformed_body"],
			["that is a number", "1e999", {}, 400, "malformed_body"],
			["that has no events", { writeKey, sentAt: 1 }, {}, 400, "malformed_body"],
			["whose events are an object", { writeKey, sentAt: 1, events: {} }, {}, 400, "malformed_body"],
			["whose events are null", { writeKey, sentAt: 1, events: null }, {}, 400, "malformed_body"],
			["without sentAt", { writeKey, events: [event()] }, {}, 400, "malformed_body"],
			["whose sentAt is text", { writeKey, sentAt: "now", events: [event()] }, {}, 400, "malformed_body"],
			[
				"whose sentAt is too large for a number",
				`{"writeKey":"${writeKey}","sentAt":1e999,"events":[]}`,
				{},
				400,
				"malformed_body",
			],
			["whose writeKey is an object", { writeKey: {}, sentAt: 1, events: [] }, {}, 400, "malformed_body"],
			["that is 20 KB of [", "[".repeat(20 * KB), {}, 400, "malformed_body"],
			["that claims to be gzip and is not", "plain text", { "content-encoding": "gzip" }, 400, "malformed_body"],
			[
				"of truncated gzip",
				gzipSync(JSON.stringify(batchOf(event()))).subarray(0, 60),
				{ "content-encoding": "gzip" },
				400,
				"malformed_body",
			],
			["of XML", "<events/>", { "content-type": "application/xml" }, 415, "unsupported_media_type"],
			[
				"of a form",
				"writeKey=a",
				{ "content-type": "application/x-www-form-urlencoded" },
				415,
				"unsupported_media_type",
			],
			["without a content type", Buffer.from("{}"), { "content-type": undefined }, 415, "unsupported_media_type"],
			["that is empty and has no content type", Buffer.from(""), { "content-type": undefined }, 400, "malformed_body"],
			["in an unknown encoding", "x", { "content-encoding": "snappy" }, 415, "unsupported_media_type"],
			[
				"in an unknown charset",
				"{}",
				{ "content-type": "application/json; charset=klingon" },
				415,
				"unsupported_media_type",
			],
			["over 256 KB", " ".repeat(257 * KB), {}, 413, "body_too_large"],
			["over 256 KB as text/plain", "x".repeat(300 * KB), { "content-type": "text/plain" }, 413, "body_too_large"],
			[
				"over 256 KB before compression",
				gzipSync(" ".repeat(300 * KB)),
				{ "content-encoding": "gzip" },
				413,
				"body_too_large",
			],
			[
				"that is a gzip bomb",
				gzipSync(Buffer.alloc(100 * KB * KB)),
				{ "content-encoding": "gzip" },
				413,
				"body_too_large",
			],
			["with an unknown writeKey", { ...batchOf(event()), writeKey: "site_nobody" }, {}, 401, "invalid_write_key"],
			["with an empty writeKey", { ...batchOf(event()), writeKey: "" }, {}, 401, "invalid_write_key"],
			["without an origin", batchOf(event()), { origin: undefined }, 403, "origin_not_allowed"],
		])("%s", async (_name, body, headers, status, code) => {
			expect(await refused(await running.post(body, headers))).toEqual([status, code]);
		});

		test.each([
			["https://evil.example"],
			["http://shop.example"],
			["https://shop.example:8443"],
			["https://shop.example.evil.example"],
			["https://evilshop.example"],
			["https://www.shop.example"],
			["https://shop.example/"],
			["https://shop.example@evil.example"],
			["https://evil.example#https://shop.example"],
			["https://shop.example, https://evil.example"],
			["null"],
			[""],
			["*"],
		])("from the origin %s", async (wrongOrigin) => {
			const response = await running.post(batchOf(event()), { origin: wrongOrigin });
			expect(await refused(response)).toEqual([403, "origin_not_allowed"]);
			// Readable everywhere, so that a page learns that its origin is not listed.
			expect(response.headers.get("access-control-allow-origin")).toBe("*");
			expect(response.headers.get("access-control-expose-headers")).toBe("Retry-After");
		});

		test.each([
			[
				"reads the body before it checks the write key",
				'{"writeKey":"site_nobody"',
				{ origin: "https://evil.example" },
				400,
			],
			[
				"checks the write key before the origin",
				{ ...batchOf(), writeKey: "site_nobody" },
				{ origin: "https://evil.example" },
				401,
			],
			[
				"checks the origin before it looks for a bot",
				batchOf(),
				{ origin: "https://evil.example", "user-agent": "Googlebot/2.1" },
				403,
			],
		])("and %s", async (_name, body, headers, status) => {
			expect((await running.post(body, headers)).status).toBe(status);
		});

		test("with an answer that repeats nothing of the request", async () => {
			for (const body of ['{"writeKey":"sesame-7"', { ...batchOf(), writeKey: "sesame-7" }]) {
				expect(await (await running.post(body)).text()).not.toContain("sesame-7");
			}
		});
	});

	describe("answers other requests", () => {
		test.each([
			["GET", "/v1/batch", "POST"],
			["PUT", "/v1/batch", "POST"],
			["DELETE", "/v1/batch", "POST"],
			["GET", "/v1/events", "POST"],
			["PATCH", "/v1/events", "POST"],
			["POST", "/client.js", "GET"],
			["POST", "/adopt.js", "GET"],
			["POST", "/healthz", "GET"],
			["DELETE", "/readyz", "GET"],
			["POST", "/admin/stats", "GET"],
			["PUT", "/admin/deadletters", "DELETE"],
			["GET", "/admin/deadletters/replay", "POST"],
		])("%s %s with 405, and names %s in Allow", async (method, path, allowed) => {
			const response = await fetch(running.url + path, { method, headers: { authorization: `Bearer ${adminToken}` } });
			expect(await refused(response)).toEqual([405, "method_not_allowed"]);
			const allow = (response.headers.get("allow") ?? "").split(/, */);
			expect(allow).toContain(allowed);
			expect(allow).not.toContain(method);
		});

		test.each(["/v1", "/v1/nothing", "/v1/batch/more", "/v2/batch", "/v1/%", "/v1/%00", "/v1/..%2fadmin/stats"])(
			"to %s with 404",
			async (path) => {
				const { status } = await raw(running.url, "GET", path);
				expect(status).toBe(404);
			},
		);
		test.each(["/v1/nothing", "/v1/%", "/admin/nothing"])("to %s with the problem not_found", async (path) => {
			const { status, headers, body } = await raw(running.url, "GET", path, { authorization: `Bearer ${adminToken}` });
			expect([status, headers["content-type"], JSON.parse(body)]).toMatchObject([
				404,
				expect.stringMatching(/^application\/problem\+json/),
				{ status: 404, code: "not_found" },
			]);
		});
	});

	describe("lets pages of its origins read the answer", () => {
		const cors = ({ headers }: Response) => [headers.get("access-control-allow-origin"), headers.get("vary")];
		const varies = expect.stringMatching(/\borigin\b/i);

		test.each<[string, unknown, Record<string, string>, number]>([
			["a 202", batchOf(event()), {}, 202],
			["malformed_body", "{", {}, 400],
			["invalid_write_key", { ...batchOf(), writeKey: "x" }, {}, 401],
			["body_too_large", "x".repeat(300 * KB), {}, 413],
			["unsupported_media_type", "x", { "content-type": "text/html" }, 415],
		])("%s", async (_name, body, headers, status) => {
			const response = await running.post(body, headers);
			expect([response.status, ...cors(response)]).toEqual([status, origin, varies]);
		});

		test("method_not_allowed", async () => {
			const response = await fetch(`${running.url}/v1/batch`, { headers: { origin } });
			expect([response.status, ...cors(response)]).toEqual([405, origin, varies]);
		});

		test("with a Vary header for caches, even without an origin", async () => {
			expect(cors(await running.post(batchOf(), { origin: undefined }))).toEqual(["*", varies]);
			expect(cors(await running.post(batchOf(), { origin: "https://evil.example" }))).toEqual(["*", varies]);
		});

		test("after a preflight from an allowed origin, but not from another", async () => {
			const preflight = (from: string) =>
				fetch(`${running.url}/v1/batch`, {
					method: "OPTIONS",
					headers: {
						origin: from,
						"access-control-request-method": "POST",
						"access-control-request-headers": "content-type",
					},
				});
			const good = await preflight(origin);
			expect(good.ok).toBe(true);
			expect(cors(good)).toEqual([origin, varies]);
			expect(good.headers.get("access-control-allow-methods")).toContain("POST");
			expect(good.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("content-type");
			const bad = await preflight("https://evil.example");
			expect(bad.headers.get("access-control-allow-origin")).toBeNull();
		});

		test("but never with credentials, and never from the backend's or the operators' routes", async () => {
			expect((await running.post(batchOf())).headers.get("access-control-allow-credentials")).toBeNull();
			for (const path of ["/v1/events", "/admin/stats", "/admin/deadletters", "/readyz"]) {
				const { headers } = await fetch(running.url + path, { headers: { origin } });
				expect(headers.get("access-control-allow-origin"), path).toBeNull();
			}
		});
	});

	describe("refuses a single event and accepts its neighbours", () => {
		const nested = (levels: number): unknown => (levels === 1 ? { end: true } : { in: nested(levels - 1) });
		const lists = (levels: number): unknown => (levels === 1 ? [] : [lists(levels - 1)]);
		/** Returns `data` of exactly this many bytes as JSON. */
		const sized = (bytes: number, fill = "x") => {
			const room = bytes - JSON.stringify({ text: "" }).length;
			return { text: fill.repeat(room / Buffer.byteLength(fill)) };
		};
		const known = { email: "ada@example.com" };
		const order = { orderId: "A-1001", total: 99.9, items: [{ id: "p1", quantity: 1 }] };

		test.each<[string, unknown, string]>([
			["without an id", event({ id: undefined }), "invalid_event"],
			["whose id is not a UUID", event({ id: "1" }), "invalid_event"],
			["whose id has a prefix", event({ id: `x${randomUUID()}` }), "invalid_event"],
			["whose id ends in a line break", event({ id: `${randomUUID()}\n` }), "invalid_event"],
			["whose id is a number", event({ id: 7 }), "invalid_event"],
			["of an unknown type", event({ type: "trace" }), "invalid_event"],
			["of the type __proto__", event({ type: "__proto__" }), "invalid_event"],
			["without a type", event({ type: undefined }), "invalid_event"],
			["of the type email_open", event({ type: "email_open" }), "invalid_event"],
			["that is null", null, "invalid_event"],
			["that is text", "event", "invalid_event"],
			["that is a list", [], "invalid_event"],
			["without a name", event({ name: undefined }), "invalid_event"],
			["with an empty name", event({ name: "" }), "invalid_event"],
			["whose name has 121 characters", event({ name: "n".repeat(121) }), "invalid_event"],
			["whose name is a number", event({ name: 7 }), "invalid_event"],
			["whose name has a NUL", event({ name: "a\0b" }), "invalid_event"],
			["whose name has a line break", event({ name: "a\nb" }), "invalid_event"],
			["whose name has a C1 control", event({ name: "a\u0085b" }), "invalid_event"],
			["whose name has a DEL", event({ name: "a\u007fb" }), "invalid_event"],
			["whose name has a lone high surrogate", event({ name: "a\ud83d" }), "invalid_event"],
			["whose name has a lone low surrogate", event({ name: "\ude00a" }), "invalid_event"],
			["whose userId has a control character", event({ person: { userId: "u\u0007" } }), "invalid_event"],
			["whose userId has a lone surrogate", event({ person: { userId: "u\udc00" } }), "invalid_event"],
			["whose anonymousId has a NUL", event({ person: { ...known, anonymousId: "\0" } }), "invalid_event"],
			["whose e-mail has a NUL", event({ person: { email: "a\0@example.com" } }), "invalid_event"],
			["whose e-mail is a number", event({ person: { email: 7 } }), "invalid_event"],
			["whose e-mail is not an address", event({ person: { email: "ada" } }), "invalid_event"],
			["whose person is a list", event({ person: [] }), "invalid_event"],
			["without at", event({ at: undefined }), "invalid_event"],
			["whose at is text", event({ at: "2026-01-01" }), "invalid_event"],
			["whose at is negative", event({ at: -1 }), "invalid_event"],
			["that is 31 days old", event({ at: Date.now() - 31 * day }), "invalid_event"],
			["in a colour that Crisp does not have", event({ color: "mauve" }), "invalid_event"],
			["in the colour constructor", event({ color: "constructor" }), "invalid_event"],
			["whose data is a list", event({ data: [] }), "invalid_event"],
			["whose data is text", event({ data: "x" }), "invalid_event"],
			["whose data is 6 deep", event({ data: nested(6) }), "invalid_event"],
			["whose data is 6 deep in lists", event({ data: { in: lists(5) } }), "invalid_event"],
			["whose data is over 16 KB", event({ data: sized(16 * KB + 1) }), "event_too_large"],
			["whose data is over 16 KB in UTF-8 only", event({ data: sized(16 * KB + 4, "😀") }), "event_too_large"],
			["whose attributes are over 16 KB", event({ type: "login", data: sized(17 * KB) }), "event_too_large"],
			["a confirmation without data", event({ type: "confirmation" }), "invalid_event"],
			["a confirmation without orderId", event({ type: "confirmation", data: { total: 1 } }), "invalid_event"],
			["a confirmation with an empty orderId", event({ type: "confirmation", data: { orderId: "" } }), "invalid_event"],
			[
				"a confirmation whose orderId has a NUL",
				event({ type: "confirmation", data: { orderId: "A\0" } }),
				"invalid_event",
			],
			["with an empty person", event({ person: {} }), "identity_required"],
			["without a person", event({ person: undefined }), "identity_required"],
			["without a person or a name", event({ person: undefined, name: undefined }), "invalid_event"],
			["of an anonymous visitor", event({ person: { anonymousId: randomUUID() } }), "identity_required"],
			["a login with an empty person", event({ type: "login", person: {} }), "identity_required"],
			["whose person has only a token", event({ person: { token: "a.b.c" } }), "identity_required"],
			[
				"whose person has only a provider's id",
				event({ person: { ids: { crisp: randomUUID() } } }),
				"identity_required",
			],
		])("%s", async (_name, bad, code) => {
			const { accepted, rejected } = await running.batch(event(), bad, event());
			expect([accepted, rejected.length]).toEqual([2, 1]);
			const id = typeof bad === "object" && bad !== null && "id" in bad ? bad.id : undefined;
			expect(rejected[0]).toEqual({
				id: typeof id === "string" ? id : null,
				code,
				message: expect.stringMatching(/\w/),
			});
		});

		test("but takes values as pages and backends really send them, on both routes", async () => {
			const messy = [
				event({ person: { userId: 7, email: null }, context: null, color: null, data: null }),
				event({ person: { ...known, userId: "undefined" } }),
				event({ type: "confirmation", data: { orderId: 7, total: "99.90", items: [{ id: "p1", quantity: "1" }] } }),
				event({ type: "confirmation", data: { orderId: " A-7 ", total: "much", items: null } }),
			];
			const headers = { origin: undefined, authorization: `Bearer ${serverKey}` };
			for (const response of [
				await running.post(batchOf(...messy)),
				await running.post({ events: messy }, headers, "/v1/events"),
			]) {
				expect(await response.json()).toEqual({ accepted: 4, rejected: [] });
			}
		});

		test.each([
			["at the top", (key: string) => `{"ID":0,"${key}":{}`],
			["in data", (key: string) => `{"ID":0,"data":{"${key}":1}`],
			["deep in data", (key: string) => `{"ID":0,"data":{"a":[{"b":{"${key}":null}}]}`],
			["in person", (key: string) => `{"ID":0,"person":{"email":"a@example.com","${key}":{"admin":true}}`],
			["in context", (key: string) => `{"ID":0,"context":{"${key}":"x"}`],
			["in an unknown field", (key: string) => `{"ID":0,"extra":{"a":{"${key}":1}}`],
			["spelt with escapes", (key: string) => `{"ID":0,"data":{"\\u${hex(key[0])}${key.slice(1)}":1}`],
		])("that has a forbidden key %s", async (_name, build) => {
			for (const key of ["__proto__", "constructor", "prototype"]) {
				const { id, ...rest } = event();
				const given = build(key).replace('"ID":0', `"id":"${id}"`);
				const others = Object.entries(rest).filter(([name]) => !given.includes(`"${name}":`));
				const bad = `${given},${JSON.stringify(Object.fromEntries(others)).slice(1)}`;
				const body = `{"writeKey":"${writeKey}","sentAt":${Date.now()},"events":[${bad},${JSON.stringify(event())}]}`;
				const response = await running.post(body);
				expect(await response.json(), body).toMatchObject({ accepted: 1, rejected: [{ id, code: "invalid_event" }] });
			}
		});
		const hex = (character = "") => character.charCodeAt(0).toString(16).padStart(4, "0");

		test.each<[string, unknown]>([
			["whose name has 120 characters", event({ name: "n".repeat(120) })],
			["whose name has a whole emoji and umlauts", event({ name: "Grüße 😀" })],
			["whose id is a UUIDv7", event({ id: "0198f1c2-7d0e-7cc3-98c4-dc0c0c07398f" })],
			["whose id is a UUIDv1 in capitals", event({ id: "C232AB00-9414-11EC-B3C8-9F6BDECED846" })],
			["with a userId alone", event({ person: { userId: "u-1" } })],
			["whose data is 5 deep", event({ data: nested(5) })],
			["whose data is 5 deep in lists", event({ data: { in: lists(4) } })],
			["whose data is just 16 KB", event({ data: sized(16 * KB) })],
			["whose data is just 16 KB in UTF-8", event({ data: sized(JSON.stringify({ text: "" }).length + 16_300, "é") })],
			["whose data has odd keys", event({ data: { "": 1, "a\0b": 2, toString: 3, hasOwnProperty: 4, toJSON: 5 } })],
			["whose data has the text __proto__", event({ data: { key: "__proto__" } })],
			["in a colour of Crisp's", event({ color: "blue" })],
			["with a context", event({ context: { url: "https://shop.example/", title: "Shop", locale: "de", other: 1 } })],
			["with ids, which only a backend may set", event({ person: { ...known, ids: { crisp: "x", helpcrunch: 1 } } })],
			["a page", event({ type: "page", name: undefined })],
			["a login without attributes", event({ type: "login", name: undefined })],
			["an update", event({ type: "update", name: undefined, data: { firstname: "Ada" } })],
			["a confirmation", event({ type: "confirmation", name: undefined, data: order })],
			[
				"a confirmation with further fields",
				event({ type: "confirmation", data: { ...order, coupon: "X", orderId: "A-2" } }),
			],
			["of 29 days ago", event({ at: Date.now() - 29 * day })],
			["of tomorrow", event({ at: Date.now() + day })],
		])("but accepts one %s", async (_name, good) => {
			expect(await running.batch(good)).toEqual({ accepted: 1, rejected: [] });
		});

		test("with a reason for each, identified by its id", async () => {
			const bad = [
				event({ name: "" }),
				event({ person: {} }),
				event({ data: sized(20 * KB) }),
				event({ at: Date.now() - 31 * day }),
			];
			const { accepted, rejected } = await running.batch(event(), ...bad, event());
			expect(accepted).toBe(2);
			expect(Object.fromEntries(rejected.map(({ id, code }) => [id, code]))).toEqual(
				Object.fromEntries(
					["invalid_event", "identity_required", "event_too_large", "invalid_event"].map((code, index) => [
						bad[index]?.id,
						code,
					]),
				),
			);
		});
	});

	describe("accepts the backend's events", () => {
		const send = (body: unknown, authorization: string | undefined = `Bearer ${serverKey}`, more = {}) =>
			running.post(body, { origin: undefined, "user-agent": "node", authorization, ...more }, "/v1/events");

		test("with the server key, without origin, write key and sentAt", async () => {
			const response = await send({ events: [event(), event({ name: "" })] });
			expect(response.status).toBe(202);
			expect(await response.json()).toMatchObject({ accepted: 1, rejected: [{ code: "invalid_event" }] });
		});

		test("including opened e-mails and providers' ids", async () => {
			const ids = { crisp: randomUUID(), helpcrunch: 12, vibetrace: "abc" };
			const events = [event({ type: "email_open" }), event({ person: { email: "a@example.com", ids } })];
			expect(await (await send({ events })).json()).toEqual({ accepted: 2, rejected: [] });
		});

		test.each([
			["no Authorization", undefined],
			["another key", "Bearer nonsense"],
			["the key without its scheme", serverKey],
			["another scheme", `Basic ${serverKey}`],
			["an empty token", "Bearer "],
			["a longer key", `Bearer ${serverKey}x`],
			["a shorter key", `Bearer ${serverKey.slice(0, -1)}`],
			["the public write key", `Bearer ${writeKey}`],
			["the admin token", `Bearer ${adminToken}`],
		])("but not with %s", async (_name, authorization) => {
			const headers = { origin: undefined, authorization };
			const response = await running.post({ events: [event()] }, headers, "/v1/events");
			expect(await refused(response)).toEqual([401, "invalid_server_key"]);
		});

		test("and checks the key before it reads the body", async () => {
			const big = await send("x".repeat(300 * KB), "Bearer wrong").catch(() => undefined);
			// The connection may be closed while the refused body is being sent.
			if (big) expect(await refused(big)).toEqual([401, "invalid_server_key"]);
			expect(await refused(await send("{", "Bearer wrong"))).toEqual([401, "invalid_server_key"]);
		});

		test.each<[string, unknown, Record<string, string>, number, string]>([
			["of 101 events", { events: Array.from({ length: 101 }, () => event()) }, {}, 400, "malformed_body"],
			["that is not JSON", "{", {}, 400, "malformed_body"],
			["that is empty", "", {}, 400, "malformed_body"],
			["that is one event", event(), {}, 400, "malformed_body"],
			["over 256 KB", " ".repeat(300 * KB), {}, 413, "body_too_large"],
			["of a form", "a=b", { "content-type": "multipart/form-data; boundary=x" }, 415, "unsupported_media_type"],
		])("but not a body %s", async (_name, body, headers, status, code) => {
			expect(await refused(await send(body, undefined, headers))).toEqual([status, code]);
		});
	});

	describe("keeps operators' routes to operators", () => {
		const routes = [
			["GET", "/admin/stats"],
			["GET", "/admin/deadletters"],
			["POST", "/admin/deadletters/replay"],
			["DELETE", "/admin/deadletters"],
			["GET", "/admin/journal"],
			["POST", "/admin/journal/retry"],
			["POST", "/admin/journal/discard"],
			["POST", "/admin/destinations/crisp/pause"],
			["POST", "/admin/destinations/crisp/resume"],
			["GET", "/admin/nothing"],
			["GET", "/ADMIN/stats"],
			["GET", "/admin/./stats"],
			["GET", "/v1/../admin/stats"],
			["GET", "/healthz/../admin/stats"],
			["GET", "//admin/stats"],
			["GET", "/admin//stats"],
			["GET", "/%61dmin/stats"],
			["GET", "/admin/stats/"],
			["GET", "/admin/stats?token=admin-token-9c2d"],
		] as const;
		test.each(routes)("%s %s shows nothing without the token", async (method, path) => {
			const { status, body } = await raw(running.url, method, path);
			expect([401, 404]).toContain(status);
			expect(body).not.toMatch(/destinations|items|journal|replayed|discarded/);
		});

		test.each([
			["no token", undefined],
			["another token", "Bearer guess"],
			["the server key", `Bearer ${serverKey}`],
			["the token twice", `Bearer ${adminToken}, Bearer ${adminToken}`],
			["another scheme", `Basic ${adminToken}`],
			["an empty token", "Bearer "],
		])("with %s it is a 401", async (_name, authorization) => {
			const response = await fetch(`${running.url}/admin/stats`, { headers: authorization ? { authorization } : {} });
			expect(await refused(response)).toEqual([401, "invalid_admin_token"]);
		});

		test.each([
			["GET", "/deadletters?limit=0", undefined],
			["GET", "/deadletters?limit=-1", undefined],
			["GET", "/deadletters?limit=many", undefined],
			["GET", "/deadletters?limit=1.5", undefined],
			["GET", "/deadletters?limit=1&limit=2", undefined],
			["GET", "/deadletters?cursor=nonsense", undefined],
			["GET", "/deadletters?ids=1,nonsense", undefined],
			["GET", "/deadletters?cursor='%20OR%201=1", undefined],
			["POST", "/deadletters/replay", "{"],
			["POST", "/deadletters/replay", '{"ids":"1"}'],
			["POST", "/deadletters/replay", '{"ids":[{}]}'],
			["POST", "/deadletters/replay", '{"destination":7}'],
			["POST", "/deadletters/replay", "[]"],
			["POST", "/deadletters/replay", "{}"],
			["POST", "/deadletters/replay", ""],
			["POST", "/deadletters/replay", undefined],
			["POST", "/deadletters/replay", '{"all":false}'],
			["POST", "/deadletters/replay", '{"all":true,"destinations":"crisp"}'],
			["DELETE", "/deadletters", "{}"],
			["DELETE", "/deadletters", ""],
			["DELETE", "/deadletters", undefined],
			["DELETE", "/deadletters", '{"reason":{}}'],
			["DELETE", "/deadletters", "nothing"],
			["GET", "/journal?limit=0", undefined],
			["GET", "/journal?cursor=nonsense", undefined],
			...["/journal/retry", "/journal/discard"].flatMap((path) =>
				["", undefined, "{}", "[]", '{"ids":[]}', '{"ids":["one"]}', '{"all":false}', '{"reason":"x"}'].map(
					(body): [string, string, string | undefined] => ["POST", path, body],
				),
			),
		] as [string, string, string | undefined][])("%s %s %s is malformed", async (method, path, body) => {
			const init = { method, headers: json, ...(body !== undefined && { body }) };
			expect(await refused(await running.admin(path, init))).toEqual([400, "malformed_body"]);
		});

		test("unusual ids and cursors find nothing and cause no error", async () => {
			const list = await running.admin("/deadletters?cursor=999999999999999999999999&destination=nobody");
			expect([list.status, await list.json()]).toEqual([200, { items: [] }]);
			const replay = await running.admin("/deadletters/replay", {
				method: "POST",
				headers: json,
				body: JSON.stringify({ ids: ["99999999999999999999999999"], destination: "nobody", reason: "\0" }),
			});
			expect([replay.status, await replay.json()]).toEqual([200, { replayed: 0 }]);
		});
	});

	describe("reports its health", () => {
		test("healthz needs no token", async () => {
			const response = await fetch(`${running.url}/healthz`);
			expect(response.status).toBe(200);
			expect((await fetch(`${running.url}/healthz`, { method: "HEAD" })).status).toBe(200);
		});

		test("readyz names the store and each destination", async () => {
			const response = await fetch(`${running.url}/readyz`);
			expect([response.status, await response.json()]).toEqual([
				200,
				{ store: "ok", destinations: { crisp: "running" }, warnings: [] },
			]);
		});

		test("no answer shows a secret", async () => {
			const { crisp } = running.sandbox.destinations;
			for (const path of ["/healthz", "/readyz", "/client.js", "/admin/stats", "/admin/deadletters", "/nothing"]) {
				const response = await fetch(running.url + path, { headers: { authorization: `Bearer ${adminToken}` } });
				const all = JSON.stringify([...response.headers]) + (await response.text());
				for (const secret of [crisp.key, serverKey, adminToken]) expect(all, path).not.toContain(secret);
			}
		});
	});

	describe("survives unusual requests", () => {
		test.each<[string, string]>([
			["lists nested in an unknown field", `{"x":${"[".repeat(9_000)}${"]".repeat(9_000)},`],
			["the same key many times", `{${'"events":[],'.repeat(15_000)}`],
			["very many keys", `{${Array.from({ length: 20_000 }, (_, key) => `"k${key}":0,`).join("")}`],
			["a __proto__ in the body", '{"__proto__":{"events":[1]},"constructor":{"prototype":{"polluted":1}},'],
			["a byte order mark", '\ufeff{"a":1,'],
		])("%s", async (_name, opening) => {
			const response = await running.post(opening + JSON.stringify(batchOf(event())).slice(1));
			expect(response.status).toBeLessThan(500);
			if (response.status === 202) expect(await response.json()).toEqual({ accepted: 1, rejected: [] });
			expect({}).not.toHaveProperty("polluted");
		});

		test.each<[string, string]>([
			["at too large for a number", '"at":1e999'],
			["at of twenty digits", '"at":99999999999999999999'],
			["at of minus zero", '"at":-0'],
			["at of a fraction", '"at":1795500000000.5'],
			["an id of 100 KB", `"id":"${"a".repeat(100 * KB)}"`],
			["data of 1,200 keys", `"data":{${Array.from({ length: 1_200 }, (_, key) => `"k${key}":0`).join()}}`],
			["huge and tiny numbers", '"data":{"a":1e308,"b":-1e-320,"c":1e999,"d":123456789012345678901234567890}'],
			["orderId too large for a number", '"type":"confirmation","data":{"orderId":1e999}'],
			["data 9,000 deep", `"data":{"a":${"[".repeat(9_000)}${"]".repeat(9_000)}}`],
			["lone surrogates in values", '"data":{"a":"\\ud800","\\udfff":"b"}'],
			["an e-mail that looks like a relative path", '"person":{"email":"../../../conversations@x"}'],
			["an e-mail that looks like a query", '"person":{"email":"?a=b&c#d@x"}'],
			["an e-mail of @ signs", `"person":{"email":"${"@".repeat(200)}"}`],
		])("%s does not affect other events", async (_name, odd) => {
			const { id, ...rest } = event();
			const body = `{"writeKey":"${writeKey}","sentAt":${Date.now()},"events":[{"id":"${id}",${JSON.stringify(rest).slice(1, -1)},${odd}},${JSON.stringify(event())}]}`;
			const response = await running.post(body);
			expect(response.status).toBe(202);
			const { accepted, rejected } = (await response.json()) as { accepted: number; rejected: unknown[] };
			expect(accepted + rejected.length).toBe(2);
			expect(accepted).toBeGreaterThan(0);
			expect(JSON.stringify(rejected).length).toBeLessThan(1_000);
		});

		test.each([-1e308, 1e308, 0, -1])("a sentAt of %d", async (sentAt) => {
			expect((await running.post({ ...batchOf(event()), sentAt })).status).toBe(202);
		});

		test("a user agent of 10 KB does not slow it down", async () => {
			for (const agent of ["bot ".repeat(2_500), "(((".repeat(3_000), "a-".repeat(5_000), `${"x/1 ".repeat(2_500)};`]) {
				const before = performance.now();
				expect((await running.post(batchOf(), { "user-agent": agent })).status).toBe(202);
				expect(performance.now() - before).toBeLessThan(1_000);
			}
		});

		test.each([
			[
				"a wrong length",
				"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\n{}",
			],
			["a negative length", "POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"],
			["two lengths", "POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"],
			[
				"length and chunks",
				"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			],
			[
				"a bad chunk",
				"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\nzz\r\n",
			],
			["an absolute URL", "GET http://evil.example/admin/stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
			["an invalid URL", "GET //%:0/%zz?%=% HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
			["no host", "GET /admin/stats HTTP/1.0\r\n\r\n"],
			["a tunnel", "CONNECT shop.example:443 HTTP/1.1\r\nHost: x\r\n\r\n"],
			["another protocol", "POST /v1/batch HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"],
			["an unknown expectation", "POST /v1/batch HTTP/1.1\r\nHost: x\r\nExpect: coffee\r\n\r\n"],
		])("%s", async (_name, bytes) => {
			const socket = connect(Number(new URL(running.url).port), "127.0.0.1");
			socket.end(bytes);
			const answer = await text(socket);
			expect(answer).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
			expect(answer).not.toMatch(/node_modules|at \w+ \(|destinations/);
			expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
		});
	});

	test("neither the write key nor the origin of a site is valid for another", async () => {
		const two = await runProxy({
			config: {
				sites: [
					{ writeKey, origins: [origin], serverKey, crisp: running.sandbox.destinations.crisp },
					{ ...otherSite, crisp: running.sandbox.destinations.crisp },
				],
			},
		});
		try {
			const cross = await two.post(batchOf(event()), { origin: "https://blog.example" });
			expect(await refused(cross)).toEqual([403, "origin_not_allowed"]);
			expect((await two.post(batchOf(event()))).status).toBe(202);
			const blog = { ...batchOf(event()), writeKey: "site_blog" };
			expect((await two.post(blog, { origin: "https://blog.example" })).status).toBe(202);
			expect(await refused(await two.post(blog))).toEqual([403, "origin_not_allowed"]);
		} finally {
			await two.stop();
		}
	});
});

describe("an accepted event", () => {
	let running: RunningProxy;
	beforeEach(async () => {
		running = await runProxy();
	});
	afterEach(() => running.stop());
	const backend = (...events: unknown[]) =>
		running.post({ events }, { origin: undefined, authorization: `Bearer ${serverKey}` }, "/v1/events");
	interface Letter {
		id: string;
		destination: string;
		status?: number;
		reason: string;
		attempts: number;
		firstAt: number;
		lastAt: number;
		event: Record<string, unknown> & { id: string; at: number; person: Record<string, unknown> };
	}
	interface Page {
		items: Letter[];
		cursor?: string;
	}
	const letters = async (query = "") => (await (await running.admin(`/deadletters${query}`)).json()) as Page;
	const ask = async (method: "POST" | "DELETE", body: unknown, headers: Record<string, string> = json) => {
		const path = method === "POST" ? "/deadletters/replay" : "/deadletters";
		const response = await running.admin(path, { method, headers, body: JSON.stringify(body) });
		return [response.status, await response.json()];
	};
	/** Sends events that Crisp refuses. Resolves to their dead letters. */
	const refusedByCrisp = async (...events: unknown[]) => {
		const clear = running.sandbox.fault("crisp", { status: 400, body: { error: true, reason: "invalid_data" } });
		const { accepted } = await running.batch(...events);
		expect(accepted).toBe(events.length);
		await running.settled(events.length);
		clear();
		return (await letters()).items;
	};

	test("is delivered in order, with only the fields of the contract", async () => {
		const person = { email: " Ada@Example.com ", shoe: 43, token: "aa.bb.cc", ids: { crisp: "someone-else" } };
		const events = ["one", "two", "three"].map((name) => event({ name, person, color: "blue", extra: "dropped" }));
		await running.batch(...events);
		await running.settled(3);
		expect(namesTaken(running.sandbox)).toEqual(["one", "two", "three"]);
		expect(running.sandbox.people("crisp").map(({ email }) => email)).toEqual(["ada@example.com"]);
		const all = JSON.stringify(running.sandbox.requests());
		for (const dropped of ["shoe", "dropped", "aa.bb.cc", "someone-else"]) expect(all).not.toContain(dropped);
	});

	test("is delivered once, however often it is sent and in whatever case its id", async () => {
		const sentEvent = event({ id: "0198f1c2-7d0e-7cc3-98c4-dc0c0c07398f" });
		expect(await running.batch(sentEvent, sentEvent)).toEqual({ accepted: 2, rejected: [] });
		expect(await running.batch(sentEvent)).toEqual({ accepted: 1, rejected: [] });
		await running.batch({ ...sentEvent, id: sentEvent.id.toUpperCase() });
		await backend(sentEvent);
		const { discarded } = await running.settled(5);
		expect(taken(running.sandbox)).toHaveLength(1);
		expect(Object.values(discarded).reduce((sum, each) => sum + each, 0)).toBe(4);
	});

	test("is identified within its person: the same id for two people is delivered twice", async () => {
		const { id } = event();
		await running.batch(
			event({ id, person: { email: "ada@example.com" } }),
			event({ id, person: { email: "ADA@example.com" } }),
			event({ id, person: { email: "bob@example.com" } }),
		);
		await running.settled(3);
		expect(taken(running.sandbox)).toHaveLength(2);
	});

	test("a purchase is delivered once per orderId and person, whatever its event id", async () => {
		const purchase = (email: string, orderId: unknown) =>
			event({ type: "confirmation", name: undefined, person: { email }, data: { orderId, total: 1 } });
		await running.batch(purchase("ada@example.com", "A-1"), purchase("ada@example.com", "A-1"));
		await running.batch(purchase("ada@example.com", "A-2"), purchase("bob@example.com", "A-1"));
		await running.settled(4);
		expect(taken(running.sandbox)).toHaveLength(3);
		expect(namesTaken(running.sandbox)).toEqual(["confirmation", "confirmation", "confirmation"]);
	});

	test("a browser's purchase suppresses no backend's, but a backend's orderId counts once in the whole site", async () => {
		const purchase = (email: string) =>
			event({ type: "confirmation", name: undefined, person: { email }, data: { orderId: "A-1" } });
		await running.batch(purchase("mallory@example.com"));
		await backend(purchase("ada@example.com"), purchase("bob@example.com"));
		await running.settled(3);
		const people = running.sandbox.people("crisp").map(({ email }) => email);
		expect(people.toSorted()).toEqual(["ada@example.com", "mallory@example.com"]);
	});

	test("an opened e-mail counts once in 20 minutes", async () => {
		const open = (minutesAgo: number) =>
			event({
				type: "email_open",
				name: undefined,
				person: { email: "ada@example.com" },
				at: Date.now() - minutesAgo * minute,
			});
		await backend(open(60), open(45), open(30), open(5));
		await running.settled(4);
		expect(taken(running.sandbox)).toHaveLength(3);
	});

	test("a bot's events are answered with 202 and discarded", async () => {
		for (const agent of ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "curl/8.5.0"]) {
			const response = await running.post(batchOf(event(), event()), { "user-agent": agent });
			expect([response.status, await response.json()]).toEqual([202, { accepted: 0, rejected: [] }]);
		}
		await running.batch(event({ name: "human" }));
		const stats = await running.settled(1);
		expect(stats.events).toBe(1);
		expect(namesTaken(running.sandbox)).toEqual(["human"]);
	});

	test("has its time corrected if the sender's clock is wrong", async () => {
		const now = Date.now();
		const cases = [
			{ name: "an hour slow", sentAt: now - hour, at: now - hour - 10_000, expected: now - 10_000 },
			{ name: "an hour fast", sentAt: now + hour, at: now + hour - 10_000, expected: now - 10_000 },
			{ name: "half a minute slow", sentAt: now - 30_000, at: now - 40_000, expected: now - 40_000 },
			{ name: "a year slow", sentAt: now - 365 * day, at: now - 366 * day, expected: now - day },
			{ name: "right, but captured tomorrow", sentAt: now, at: now + day, expected: now },
		];
		running.sandbox.fault("crisp", { status: 400, body: { error: true, reason: "invalid_data" } });
		for (const { name, sentAt, at } of cases) {
			const response = await running.post({ writeKey, sentAt, events: [event({ name, at })] });
			expect(await response.json(), name).toEqual({ accepted: 1, rejected: [] });
		}
		await running.settled(cases.length);
		const { items } = await letters();
		for (const { name, expected } of cases) {
			const at = items.find((item) => item.event.name === name)?.event.at ?? 0;
			expect(Math.abs(at - expected), name).toBeLessThan(20_000);
			expect(at, name).toBeLessThanOrEqual(Date.now());
		}
		const late = { writeKey, sentAt: now + hour, events: [event({ at: now + hour - 31 * day })] };
		expect(await (await running.post(late)).json()).toMatchObject({ rejected: [{ code: "invalid_event" }] });
	});

	test("from a backend keeps its time, and its ids identify the person", async () => {
		const id = running.sandbox.addPerson("crisp", { email: "old@example.com" });
		await backend(event({ person: { email: "new@example.com", ids: { crisp: id } } }));
		await running.settled(1);
		expect(running.sandbox.people("crisp")).toMatchObject([{ email: "old@example.com", events: [{}] }]);
	});

	test("cannot reach other paths of a provider through its ids", async () => {
		for (const crisp of ["..", ".", "%2e%2e", "../..", "a/b", "?x", "#x"]) {
			const response = await backend(event({ person: { email: "ada@example.com", ids: { crisp } } }));
			expect(response.status, crisp).toBe(202);
		}
		await running.settled(7);
		for (const { path } of running.sandbox.requests()) {
			expect(path).toMatch(/^\/website\/[^/]+\/people\/(profile|(events|data|profile)\/[^/]+)$/);
			expect(decodeURIComponent(path.split("/").at(-1) ?? "")).not.toMatch(/^\.\.?$/);
		}
	});

	test("becomes a dead letter with a reason when the provider refuses it", async () => {
		const before = Date.now();
		const [first, second] = [event({ name: "first", data: { a: 1 } }), event({ name: "second" })];
		const items = await refusedByCrisp(first, second);
		expect(items).toHaveLength(2);
		expect(items.find((item) => item.event.id === first.id)).toMatchObject({
			id: expect.any(String),
			destination: "crisp",
			status: 400,
			reason: expect.stringMatching(/\w/),
			attempts: 1,
			event: { type: "track", name: "first", data: { a: 1 }, person: first.person },
		});
		for (const { firstAt, lastAt } of items) {
			expect(firstAt).toBeGreaterThanOrEqual(before);
			expect(lastAt).toBeGreaterThanOrEqual(firstAt);
		}
		expect((await running.settled(2)).destinations.crisp).toMatchObject({ waiting: 0, delivered: 0, dead: 2 });
	});

	test("dead letters are listed in pages, each of them once", async () => {
		await refusedByCrisp(...Array.from({ length: 7 }, () => event()));
		const seen: string[] = [];
		const sizes: number[] = [];
		let cursor: string | undefined;
		do {
			const page = await letters(`?limit=3${cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`}`);
			seen.push(...page.items.map(({ id }) => id));
			sizes.push(page.items.length);
			cursor = page.cursor;
		} while (cursor !== undefined && sizes.length < 5);
		expect(sizes).toEqual([3, 3, 1]);
		expect(new Set(seen).size).toBe(7);
		expect((await letters("?destination=crisp")).items).toHaveLength(7);
		expect((await letters("?limit=100000")).items).toHaveLength(7);
		expect(deadLetterQuerySchema.parse({ limit: "100000" }).limit).toBe(500);
		expect((await letters("?destination=vibetrace")).items).toEqual([]);
		expect((await letters("?reason=invalid_data&limit=2")).items).toHaveLength(2);
		expect((await letters("?reason=other")).items).toEqual([]);
		expect((await letters(`?ids=${seen[4]},${seen[1]}`)).items.map(({ id }) => id)).toEqual([seen[1], seen[4]]);
	});

	test("a replay reports its progress and its end to a client that accepts lines of JSON", async () => {
		await refusedByCrisp(event(), event());
		const response = await running.admin("/deadletters/replay", {
			method: "POST",
			headers: { ...json, accept: "application/x-ndjson" },
			body: '{"all":true}',
		});
		expect(response.headers.get("content-type")).toMatch(/^application\/x-ndjson/);
		const lines = (await response.text()).trim().split("\n");
		expect(lines.map((line) => JSON.parse(line)).at(-1)).toEqual({ replayed: 2, done: true });
		const refused = await running.admin("/deadletters/replay", {
			method: "POST",
			headers: { ...json, accept: "application/x-ndjson" },
			body: '{"ids":"1"}',
		});
		expect(await problemOf(refused)).toMatchObject({ code: "malformed_body" });
	});

	test("dead letters are replayed by id, then by destination and reason, and are delivered once each", async () => {
		const events = ["a", "b", "c"].map((name) => event({ name }));
		const items = await refusedByCrisp(...events);
		const idOf = (name: string) => items.find((item) => item.event.name === name)?.id;
		expect(await ask("POST", { ids: [idOf("b")] })).toEqual([200, { replayed: 1 }]);
		await running.settled(3);
		expect(namesTaken(running.sandbox)).toEqual(["b"]);
		expect(await ask("POST", { ids: [idOf("b")] })).toEqual([200, { replayed: 0 }]);
		expect(await ask("POST", { reason: "nothing of the kind" })).toEqual([200, { replayed: 0 }]);
		expect(await ask("POST", { destination: "helpcrunch" })).toEqual([200, { replayed: 0 }]);
		expect(await ask("POST", { destination: "crisp", reason: items[0]?.reason })).toEqual([200, { replayed: 2 }]);
		const stats = await running.settled(3);
		expect(namesTaken(running.sandbox).toSorted()).toEqual(["a", "b", "c"]);
		expect(stats.destinations.crisp).toMatchObject({ waiting: 0, delivered: 3, dead: 0 });
		expect(await letters()).toEqual({ items: [] });
	});

	test("dead letters are discarded by id, and are gone for good", async () => {
		const [first, ...others] = await refusedByCrisp(event(), event(), event());
		const [status] = await ask("DELETE", { ids: [first?.id] });
		expect(status).toBe(200);
		expect((await letters()).items.map(({ id }) => id)).toEqual(others.map(({ id }) => id));
		expect(await ask("POST", { ids: [first?.id] })).toEqual([200, { replayed: 0 }]);
		await ask("DELETE", { destination: "crisp" });
		expect((await letters()).items).toEqual([]);
		expect((await running.settled(3)).destinations.crisp).toMatchObject({ dead: 0, delivered: 0 });
	});

	test.each(["POST", "DELETE"] as const)(
		"a %s that names dead letters in a body of another media type changes none",
		async (method) => {
			const [first] = await refusedByCrisp(event(), event());
			for (const type of ["application/x-www-form-urlencoded", "text/html"]) {
				// `curl -d` sends the first of these by default.
				const [status] = await ask(method, { ids: [first?.id] }, { "content-type": type });
				expect((await letters()).items, type).toHaveLength(2);
				expect(status).toBe(415);
			}
		},
	);

	test("stats report waiting events, and readyz a destination that refuses the credentials", async () => {
		const clear = running.sandbox.fault("crisp", { status: 401 });
		await running.batch(event(), event());
		await running.sandbox.until((requests) => requests.length > 0);
		await expect
			.poll(async () => (await fetch(`${running.url}/readyz`)).json())
			.toEqual({
				store: "ok",
				destinations: { crisp: "paused" },
				warnings: [],
			});
		expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
		const stats = (await (await running.admin("/stats")).json()) as object;
		expect(stats).toMatchObject({ destinations: { crisp: { waiting: 2, delivered: 0, dead: 0 } } });
		clear();
	});

	test("a person without an e-mail costs no request to Crisp", async () => {
		await running.batch(event({ person: { userId: "u-1" } }), event());
		const stats = await running.settled(2);
		expect(taken(running.sandbox)).toHaveLength(1);
		expect(stats.destinations.crisp).toMatchObject({ waiting: 0, delivered: 1, dead: 0 });
		expect(JSON.stringify(stats)).toContain("not_addressable");
	});
});

describe("a proxy that is not started, or is stopping", () => {
	let running: RunningProxy;
	beforeEach(async () => {
		running = await runProxy({ start: false });
	});
	afterEach(() => running.stop());
	const unavailable = async (response: Response) => {
		expect(await problemOf(response)).toMatchObject({ status: 503, code: "store_unavailable" });
		expect(response.status).toBe(503);
		expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
	};

	test("accepts nothing and sends Retry-After", async () => {
		const response = await running.post(batchOf(event()));
		await unavailable(response);
		expect(response.headers.get("access-control-allow-origin")).toBe(origin);
		const headers = { origin: undefined, authorization: `Bearer ${serverKey}` };
		await unavailable(await running.post({ events: [event()] }, headers, "/v1/events"));
		await unavailable(await running.admin("/stats"));
		await expect(running.proxy.track({ type: "page", person: { email: "a@example.com" } })).rejects.toMatchObject({
			code: "store_unavailable",
		});
	});

	test("is alive, not ready, and still refuses wrong requests", async () => {
		expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
		const ready = await fetch(`${running.url}/readyz`);
		expect(ready.status).toBe(503);
		expect(((await ready.json()) as { store: string }).store).not.toBe("ok");
		expect((await running.post("{")).status).toBe(400);
		expect((await fetch(`${running.url}/admin/stats`)).status).toBe(401);
	});

	test("is ready after start, not after stop, and again after another start", async () => {
		const ready = async () => (await fetch(`${running.url}/readyz`)).status;
		await running.proxy.start();
		await running.proxy.start();
		expect(await ready()).toBe(200);
		await running.proxy.stop();
		expect(await ready()).toBe(503);
		await unavailable(await running.post(batchOf(event())));
		await running.proxy.start();
		expect(await ready()).toBe(200);
		expect((await running.post(batchOf(event()))).status).toBe(202);
	});

	test("may be started twice at the same time", async () => {
		await Promise.all([running.proxy.start(), running.proxy.start()]);
		await running.batch(event());
		await running.settled(1);
		expect(taken(running.sandbox)).toHaveLength(1);
	});

	test("that is stopped while it starts is stopped in the end", async () => {
		const starting = running.proxy.start().catch(() => {});
		await running.proxy.stop();
		await starting;
		expect((await fetch(`${running.url}/readyz`)).status).toBe(503);
	});

	test("loses no event that it answered with 202 while it stopped", async () => {
		await running.proxy.start();
		const posts = Array.from({ length: 100 }, () => running.post(batchOf(event())).then(({ status }) => status));
		await Promise.race(posts);
		await running.proxy.stop();
		const statuses = await Promise.all(posts);
		expect(statuses.filter((status) => status !== 202 && status !== 503)).toEqual([]);
		const accepted = statuses.filter((status) => status === 202).length;
		expect(accepted).toBeGreaterThan(0);
		await running.proxy.start();
		const stats = await running.settled(accepted);
		expect(stats.destinations.crisp?.delivered).toBe(accepted);
	});

	test("delivers accepted events after the next start", async () => {
		await running.proxy.start();
		running.sandbox.fault("crisp", { reset: true });
		await running.batch(event({ name: "kept" }));
		await running.proxy.stop();
		running.sandbox.clear();
		await running.proxy.start();
		await running.settled(1);
		expect(namesTaken(running.sandbox)).toEqual(["kept"]);
	});
});

test("readyz warns that forwarded addresses are not read, once a request has one", async () => {
	const running = await runProxy();
	try {
		const warnings = async () =>
			((await (await fetch(`${running.url}/readyz`)).json()) as { warnings: unknown }).warnings;
		expect(await warnings()).toEqual([]);
		await running.post(batchOf(event()), { "x-forwarded-for": "198.51.100.1" });
		expect(await warnings()).toEqual([{ code: "shared_address" }]);
	} finally {
		await running.stop();
	}
});

test("readyz and metrics report a batch that was set aside, and the proxy stays ready", async () => {
	const { path, remove } = temporaryFolder();
	await storeTornBatch(`${path}/store.db`);
	const running = await runProxy({ config: { store: `sqlite:${path}/store.db` } });
	try {
		const ready = async () => {
			const response = await fetch(`${running.url}/readyz`);
			return [response.status, await response.json()];
		};
		await expect
			.poll(ready)
			.toEqual([
				200,
				{ store: "ok", destinations: { crisp: "running" }, warnings: [{ code: "stuck_batches", count: 1 }] },
			]);
		expect(await (await fetch(`${running.url}/metrics`)).text()).toMatch(/^eventferry_journal_stuck 1$/m);
	} finally {
		await running.stop();
		remove();
	}
});

test("track() in the backend's own process delivers an event, and rejects a wrong one with the reason", async () => {
	const running = await runProxy();
	try {
		await running.proxy.track({ type: "track", name: "from the backend", person: { email: "ada@example.com" } });
		await expect(running.proxy.track({ type: "track", name: "", person: { email: "a@example.com" } })).rejects.toThrow(
			TypeError,
		);
		await expect(running.proxy.track({ type: "page", person: {} })).rejects.toThrow(/identity_required/);
		await running.settled(1);
		expect(namesTaken(running.sandbox)).toEqual(["from the backend"]);
	} finally {
		await running.stop();
	}
});

describe("a proxy mounted in another app", () => {
	/** The surrounding app, with its own settings, routes and error handling. */
	function host() {
		const app = express().set("json spaces", 1).set("x-powered-by", false).set("query parser", "simple");
		app.get("/", (_request, response) => void response.send("home"));
		app.post("/echo", express.text(), (request, response) => void response.send(`echo ${request.body}`));
		return app;
	}
	let running: RunningProxy | undefined;
	afterEach(() => running?.stop());

	test("answers under its prefix and leaves the rest alone", async () => {
		const app = host();
		running = await runProxy({ base: "/ferry", app });
		app.post("/after", express.text(), (request, response) => void response.send(`after ${request.body}`));
		app.post("/v1/batch", express.text(), (request, response) => void response.send(`own ${request.body}`));
		app.get("/boom", () => {
			throw new Error("boom");
		});
		app.use(
			((error, _request, response, _next) =>
				void response.status(500).send(`host: ${error.message}`)) satisfies express.ErrorRequestHandler,
		);
		const { origin: root } = new URL(running.url);
		const textAt = async (path: string, init?: RequestInit) => (await fetch(root + path, init)).text();

		expect((await running.post(batchOf(event()))).status).toBe(202);
		expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
		expect((await running.admin("/stats")).status).toBe(200);
		expect((await fetch(`${running.url}/v1/nothing`)).status).toBe(404);

		expect(await textAt("/")).toBe("home");
		for (const path of ["echo", "after"])
			expect(await textAt(`/${path}`, { method: "POST", body: "x" })).toBe(`${path} x`);
		expect(await textAt("/v1/batch", { method: "POST", body: "x" })).toBe("own x");
		expect(await textAt("/boom")).toBe("host: boom");
		expect((await fetch(`${root}/healthz`)).status).toBe(404);
		const { headers } = await fetch(`${root}/`, { headers: { origin } });
		for (const name of ["access-control-allow-origin", "x-powered-by", "vary"]) expect(headers.get(name)).toBeNull();
		expect([app.get("json spaces"), app.get("query parser"), app.get("x-powered-by")]).toEqual([1, "simple", false]);
	});

	test.each([
		["json()", () => express.json()],
		["text() for everything", () => express.text({ type: "*/*" })],
		["raw() for everything", () => express.raw({ type: "*/*" })],
		["urlencoded()", () => express.urlencoded({ extended: true })],
	])("accepts batches behind the app's own %s", async (_name, parser) => {
		const app = host().use(parser());
		running = await runProxy({ base: "/ferry", app });
		for (const type of ["application/json", "text/plain"]) {
			const response = await running.post(batchOf(event()), { "content-type": type });
			expect([response.status, await response.json()], type).toEqual([202, { accepted: 1, rejected: [] }]);
		}
	});

	test("answers with its own problems despite the app's error handler", async () => {
		const app = host();
		running = await runProxy({ base: "/ferry", app });
		app.use(
			((_error, _request, response, _next) =>
				void response.status(500).send("host")) satisfies express.ErrorRequestHandler,
		);
		expect(await problemOf(await running.post("{"))).toMatchObject({ status: 400, code: "malformed_body" });
		expect(await problemOf(await fetch(`${running.url}/admin/stats`))).toMatchObject({ code: "invalid_admin_token" });
	});
});

describe.skipIf(!existsSync(new URL("../../dist/client.js", import.meta.url))).each(["/client.js", "/adopt.js"])(
	"%s",
	(path) => {
		let running: RunningProxy;
		beforeAll(async () => {
			running = await runProxy();
		});
		afterAll(() => running.stop());
		const get = (accept?: string, more: Record<string, string> = {}) => {
			const { hostname, port } = new URL(running.url);
			const headers = { ...(accept !== undefined && { "accept-encoding": accept }), ...more };
			return new Promise<{ status: number; headers: Record<string, string | undefined>; body: Buffer }>(
				(done, fail) => {
					rawRequest({ hostname, port, path, headers }, async (response) => {
						const chunks: Buffer[] = [];
						for await (const chunk of response) chunks.push(chunk);
						done({
							status: response.statusCode ?? 0,
							headers: response.headers as Record<string, string | undefined>,
							body: Buffer.concat(chunks),
						});
					})
						.on("error", fail)
						.end();
				},
			);
		};
		const plainly = (body: Buffer) => body;

		test.each([
			["br, gzip", "br", brotliDecompressSync],
			["gzip, deflate, br", "br", brotliDecompressSync],
			["gzip", "gzip", gunzipSync],
			["gzip, br;q=0", "gzip", gunzipSync],
			["identity", undefined, plainly],
			["br;q=0, gzip;q=0", undefined, plainly],
			[undefined, undefined, plainly],
		])("with Accept-Encoding %s is sent as %s", async (accept, encoding, decode) => {
			const plain = (await get("identity")).body.toString();
			const { status, headers, body } = await get(accept);
			expect([status, headers["content-encoding"]]).toEqual([200, encoding]);
			expect(decode(body).toString()).toBe(plain);
			expect(headers["content-type"]).toMatch(/^(text|application)\/javascript(;|$)/);
			expect(headers["cache-control"]).toMatch(/max-age=\d+/);
			expect(headers.vary).toMatch(/accept-encoding/i);
			expect(headers.etag).toMatch(/^(W\/)?".+"$/);
			expect(Number(headers["content-length"])).toBe(body.length);
		});

		test("is a 304 for its current ETag, and sent whole for another", async () => {
			for (const accept of ["br", "gzip", "identity"]) {
				const { headers } = await get(accept);
				const again = await get(accept, { "if-none-match": headers.etag ?? "" });
				expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, headers.etag]);
				expect((await get(accept, { "if-none-match": '"other"' })).status).toBe(200);
			}
		});

		test("may be loaded by pages of every origin", async () => {
			const response = await fetch(`${running.url}${path}`, { headers: { origin: "https://anywhere.example" } });
			expect(response.headers.get("access-control-allow-origin")).toMatch(/^(\*|https:\/\/anywhere\.example)$/);
			const head = await fetch(`${running.url}${path}`, { method: "HEAD" });
			expect([head.status, (await head.text()).length]).toEqual([200, 0]);
		});
	},
);
