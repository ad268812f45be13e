import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createHold } from "../../server/delivery/hold.ts";
import { buildUrl, createExchange, type HttpAnswer, retryAfterMs } from "../../server/providers/exchange.ts";
import type { PlannedRequest, Provider } from "../../server/providers/provider.ts";
import { createProvider } from "../../server/providers/registry.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { eventSchema } from "../../shared/event.ts";
import { learn, type Reply } from "../unit/providers/lane.ts";

async function listen(listener: RequestListener) {
	const server = createServer(listener).listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${port}`,
		async close() {
			server.close();
			server.closeAllConnections();
			await once(server, "close");
		},
	};
}

interface Received {
	method: string | undefined;
	url: string | undefined;
	headers: IncomingMessage["headers"];
	body: string;
}

/** A simulated provider, another host to which it may redirect, and the requests that each received. */
let stub: { url: string; close(): Promise<void> };
let elsewhere: { url: string; close(): Promise<void> };
let answer: (response: ServerResponse) => void;
let received: Received[] = [];
let astray = 0;

const json = (status: number, body: unknown, headers: Record<string, string> = {}) => {
	answer = (response) =>
		response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
};
const raw = (status: number, body: string | Buffer, headers: Record<string, string> = {}) => {
	answer = (response) => response.writeHead(status, headers).end(body);
};

beforeAll(async () => {
	elsewhere = await listen((_request, response) => {
		astray += 1;
		response.end("{}");
	});
	stub = await listen((request, response) => {
		const chunks: Buffer[] = [];
		request.on("data", (chunk: Buffer) => chunks.push(chunk));
		request.on("end", () => {
			const { method, url, headers } = request;
			received.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
			answer(response);
		});
	});
});
afterAll(async () => {
	await stub.close();
	await elsewhere.close();
});
beforeEach(() => {
	received = [];
	astray = 0;
});
afterEach(() => {
	vi.restoreAllMocks();
});

const never = new AbortController().signal;
const secret = "s3cret";
const post: PlannedRequest = { purpose: "x", method: "POST", path: ["a"], body: { b: 1 }, ifDelivered: {} };
const exchange = (request: Partial<PlannedRequest> = {}, signal: AbortSignal = never): Promise<HttpAnswer> =>
	createExchange(`${stub.url}/v1`, { Authorization: secret })({ ...post, ...request }, signal);

describe("a URL", () => {
	const base = "https://api.example/v1";
	const codeUnit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));
	const tricky = fc.constantFrom(
		".",
		"/",
		"\\",
		"%",
		"%2e",
		"%2E",
		"%2f",
		"?",
		"#",
		"@",
		":",
		";",
		"&",
		"+",
		" ",
		"\t",
	);
	const segment = fc.oneof(
		fc.string({ unit: "binary" }),
		fc.string({ unit: codeUnit }),
		fc.array(tricky, { maxLength: 4 }).map((parts) => parts.join("")),
		fc.emailAddress(),
	);

	/** Decodes the segments of a path as a server would. */
	const read = (url: string) => new URL(url).pathname.split("/").slice(1).map(decodeURIComponent);

	test("holds any string as exactly one segment that decodes to it, or is not built", () => {
		return fc.assert(
			fc.property(segment, (text) => {
				const url = buildUrl(base, ["website", text, "events"]);
				if (url === undefined) return;
				expect(read(url)).toEqual(["v1", "website", text, "events"]);
				expect(new URL(url)).toMatchObject({ origin: "https://api.example", search: "", hash: "", username: "" });
			}),
			{ numRuns: 2_000 },
		);
	});

	test("holds any strings as exactly these segments, in any position", () => {
		return fc.assert(
			fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (texts) => {
				const url = buildUrl(base, texts);
				if (url !== undefined) expect(read(url)).toEqual(["v1", ...texts]);
			}),
			{ numRuns: 1_000 },
		);
	});

	test("stays the same path where a gateway decodes it once more", () => {
		return fc.assert(
			fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (texts) => {
				const url = buildUrl(base, texts);
				if (url === undefined) return;
				const once = decodeURIComponent(new URL(url).pathname);
				const twice = decodeURIComponent(once);
				for (const path of [once, twice]) {
					const { pathname, search, hash } = new URL(`https://gateway.example${path}`);
					expect([pathname.split("/").length, search, hash]).toEqual([texts.length + 2, "", ""]);
				}
				expect(twice.split("/")).toEqual(["", "v1", ...texts]);
			}),
			{ numRuns: 5_000 },
		);
	});

	test("is refused only for strings that may not stay a segment", () => {
		const possible = segment.filter(
			(text) =>
				text.isWellFormed() && !/[\p{Cc}/\\%?#]/u.test(text) && !/^(\.\.?)?(;|$)/.test(text.replaceAll(/\s/g, "")),
		);
		return fc.assert(
			fc.property(possible, (text) => {
				expect(buildUrl(base, ["people", text])).toBeDefined();
			}),
			{ numRuns: 2_000 },
		);
	});

	test.each([
		...[
			"",
			".",
			"..",
			" ",
			".. ",
			"..;",
			".;x",
			";",
			"\ud800",
			"a\udc00",
			"a/b",
			"../x",
			"%2e%2e",
			"%",
			"a\\b",
			"..\\..",
		],
		...["a#b@x", "a?b@x", ".\t.", "a\0", "//evil.example", "http://evil.example"],
	])("is refused for the segment %j", (text) => {
		expect(buildUrl(base, ["people", text])).toBeUndefined();
		expect(buildUrl(base, [text, "people"])).toBeUndefined();
	});

	test.each([
		["ada+shop@x", "ada%2Bshop%40x"],
		["🛒", "%F0%9F%9B%92"],
		['"', "%22"],
		["...", "..."],
	])("holds %j as %s", (text, encoded) => expect(buildUrl(base, [text])).toBe(`${base}/${encoded}`));

	test("holds a query beside the path, encoded", () => {
		expect(buildUrl(base, ["user", "a&upsert=false@x"], { upsert: "true" })).toBe(
			`${base}/user/a%26upsert%3Dfalse%40x?upsert=true`,
		);
		expect(buildUrl(base, ["a"], { "b&c": "d#e" })).toBe(`${base}/a?b%26c=d%23e`);
	});

	test.each(["https://api.example", "https://api.example/", "https://api.example/a/b", "http://127.0.0.1:8080/v1"])(
		"may be built below %s",
		(given) => expect(buildUrl(given.replace(/\/$/, ""), ["x"])).toBe(`${given.replace(/\/$/, "")}/x`),
	);
});

describe("Retry-After", () => {
	const now = Date.UTC(2026, 10, 23, 12);
	const day = 86_400_000;

	test.each<[string | undefined, number | undefined]>([
		[undefined, undefined],
		["1", 1_000],
		[" 120 ", 120_000],
		["86400", day],
		["86401", day],
		["99999999999999999999999", day],
		["9".repeat(400), day],
		["Mon, 23 Nov 2026 12:00:30 GMT", 30_000],
		["Mon, 23 Nov 2126 12:00:00 GMT", day],
		["", undefined],
		["soon", undefined],
		["NaN", undefined],
		["Infinity", undefined],
	])("%j is %j ms", (header, ms) => expect(retryAfterMs(header, now)).toBe(ms));

	/** First wait of a destination with a daily allowance after this header, ms. */
	function heldMs(header: string): number {
		const hold = createHold({ requests: 10_000, per: "day" });
		hold.wait("too_many_requests", retryAfterMs(header, now), now);
		return hold.until() - now;
	}

	// `Date.parse` reads some of these as dates long past.
	test.each(["1.5", "-1", "+5", "1e3", "5 s", "soon"])("that is neither seconds nor a date is ignored: %j", (header) =>
		expect(heldMs(header)).toBe(30_000),
	);

	// The provider's clock may be slow. Without any wait the proxy would flood it with requests.
	test.each(["0", "Mon, 23 Nov 2026 11:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])(
		"in the past does not end the wait at once: %j",
		(header) => expect(heldMs(header)).toBeGreaterThanOrEqual(1_000),
	);

	test("is never negative, never more than a day and never throws", () => {
		return fc.assert(
			fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.date().map(String)), (header) => {
				const ms = retryAfterMs(header, now);
				if (ms !== undefined) expect(ms >= 0 && ms <= day).toBe(true);
			}),
		);
	});
});

describe("an exchange", () => {
	test("sends method, path, query, headers and JSON", async () => {
		json(200, { ok: true });
		const answered = await exchange({ method: "PATCH", path: ["a b", "ü"], query: { c: "d" } });
		expect(answered).toEqual({ kind: "reply", status: 200, json: { ok: true }, empty: false, retryAfterMs: undefined });
		expect(received).toEqual([
			{
				method: "PATCH",
				url: "/v1/a%20b/%C3%BC?c=d",
				headers: expect.objectContaining({ authorization: secret, "content-type": "application/json" }),
				body: '{"b":1}',
			},
		]);
	});

	test.each(["POST", "PATCH", "PUT"] as const)("is tried once as %s, whatever the answer", async (method) => {
		for (const status of [408, 413, 429, 500, 502, 503, 504]) {
			received = [];
			json(status, {}, { "retry-after": "0" });
			expect(await exchange({ method })).toMatchObject({ kind: "reply", status });
			expect(received).toHaveLength(1);
		}
	});

	test("is not begun with an impossible URL", async () => {
		json(200, {});
		const answered = await exchange({ path: ["people", ".."] });
		expect(answered).toMatchObject({ kind: "unbuildable" });
		expect(received).toEqual([]);
	});

	test.each([301, 302, 303, 307, 308])(
		"does not follow a %d, and sends its credentials nowhere else",
		async (status) => {
			raw(status, "", { location: `${elsewhere.url}/v1/a` });
			expect(await exchange()).toMatchObject({ kind: "reply", status });
			expect(received).toHaveLength(1);
			expect(astray).toBe(0);
		},
	);

	test("does not follow a redirect on the same host either", async () => {
		raw(302, "", { location: "/v1/b" });
		await exchange();
		expect(received.map(({ url }) => url)).toEqual(["/v1/a"]);
	});

	test.each<[string, string | Buffer, object]>([
		["JSON that is not an object", "[]", { json: undefined, empty: false }],
		["null", "null", { json: undefined, empty: false }],
		["a text in JSON", '"ok"', { json: undefined, empty: false }],
		["half an object", '{"error":fal', { json: undefined, empty: false }],
		["a web page", "<!doctype html><title>Sign in</title>", { json: undefined, empty: false }],
		["nothing", "", { json: undefined, empty: true }],
		["white space", " \r\n", { json: undefined, empty: true }],
		["bytes that are not text", Buffer.from([0xff, 0xfe, 0x00]), { json: undefined, empty: false }],
		["a byte order mark before JSON", '\ufeff{"a":1}', { json: { a: 1 }, empty: false }],
		["64 KB", JSON.stringify({ a: "x".repeat(65_536 - 8) }), { json: { a: expect.any(String) } }],
		["a byte more than 64 KB", JSON.stringify({ a: "x".repeat(65_536 - 7) }), { json: undefined, empty: false }],
		["10 MB", JSON.stringify({ a: "x".repeat(10_000_000) }), { json: undefined, empty: false }],
	])("reads %s", async (_, body, expected) => {
		raw(200, body);
		expect(await exchange()).toMatchObject({ kind: "reply", status: 200, ...expected });
	});

	test.each([
		["gzip", gzipSync],
		["br", brotliCompressSync],
	])("unpacks an answer in %s, up to 64 KB", async (encoding, pack) => {
		raw(200, pack('{"a":1}'), { "content-encoding": encoding });
		expect(await exchange()).toMatchObject({ json: { a: 1 } });
		raw(200, pack(JSON.stringify({ a: "x".repeat(65_536) })), { "content-encoding": encoding });
		expect(await exchange()).toMatchObject({ status: 200, json: undefined, empty: false });
	});

	test("reads no more of an endless answer than it needs", async () => {
		const closed = Promise.withResolvers<void>();
		answer = (response) => {
			response.writeHead(200);
			const pour = () => {
				while (response.write("x".repeat(10_000)));
				response.once("drain", pour);
			};
			pour();
			response.once("close", closed.resolve);
		};
		expect(await exchange()).toMatchObject({ kind: "reply", status: 200, json: undefined });
		await closed.promise;
	});

	test.each(["POST", "PATCH", "PUT"] as const)("fails after one %s when the connection is reset", async (method) => {
		answer = (response) => response.socket?.resetAndDestroy();
		expect(await exchange({ method })).toEqual({ kind: "failure", reason: "network" });
		expect(received).toHaveLength(1);
	});

	test("fails when no server listens", async () => {
		const closed = await listen(() => {});
		await closed.close();
		const answered = await createExchange(closed.url, {})(post, never);
		expect(answered).toEqual({ kind: "failure", reason: "network" });
	});

	test("fails when the answer is not HTTP", async () => {
		answer = (response) => response.socket?.end("220 mail.example ESMTP\r\n");
		expect(await exchange()).toEqual({ kind: "failure", reason: "network" });
	});

	test("fails when it is aborted, before or during the request", async () => {
		const stopped = new AbortController();
		answer = () => stopped.abort();
		expect(await exchange({}, stopped.signal)).toEqual({ kind: "failure", reason: "stopped" });
		expect(received).toHaveLength(1);
		expect(await exchange({}, stopped.signal)).toEqual({ kind: "failure", reason: "stopped" });
		expect(received).toHaveLength(1);
	});

	test.each([
		["no answer", () => {}],
		["half an answer", (response: ServerResponse) => response.writeHead(500).write("{")],
	])("is given up after 10 s with %s", async (_, begin) => {
		const time = new AbortController();
		const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(time.signal);
		answer = (response) => {
			begin(response);
			time.abort(new DOMException("The operation timed out", "TimeoutError"));
		};
		expect(await exchange()).toEqual({ kind: "failure", reason: "timeout" });
		expect(timeout).toHaveBeenCalledWith(10_000);
	});
});

describe.each<[string, (baseUrl: string) => Provider, object, Reply[]?]>([
	[
		"Crisp",
		(baseUrl) =>
			createProvider("crisp", {
				websiteId: "site-1",
				identifier: "id",
				key: secret,
				tier: "website",
				createFirst: false,
				baseUrl,
				createPeople: "always",
				occurredAt: "late",
			}),
		{ error: false, reason: "dispatched", data: {} },
	],
	[
		"HelpCrunch",
		(baseUrl) => createProvider("helpcrunch", { apiKey: secret, baseUrl, createPeople: "always", occurredAt: "late" }),
		{ id: 1, name: "x", createdAt: "1603885746" },
		[[200, { data: [{ id: 7, email: "ada@example.com" }] }]],
	],
	[
		"Vibetrace",
		(baseUrl) =>
			createProvider("vibetrace", {
				apiKey: secret,
				standardEvents: [],
				baseUrl,
				createPeople: "always",
				occurredAt: "late",
			}),
		{ results: { message: "Event created", email: "Event was created for the specified user" } },
	],
])("with any answer, %s", async (name, create, success, found = []) => {
	const unreadable = { kind: "retry", reason: "unreadable", unreadable: true };
	const event = eventSchema.parse({
		id: "0198f1c2-7d0e-7cc3-98c4-dc0c0c07398f",
		type: "track",
		name: "x",
		at: Date.now(),
		person: { email: "ada@example.com" },
	});
	const stored: StoredEvent = { event, trusted: false, receivedAt: Date.now() };
	const known = await learn(create("https://provider.invalid/v1"), stored, found, { now: Date.now() });

	/** Sends an event of a person who is known to exist. */
	async function send(signal: AbortSignal = never) {
		const provider = create(`${stub.url}/v1`);
		const plan = provider.plan([stored], known, Date.now());
		if (plan.kind !== "send") throw new Error("nothing to send");
		const outcome = await provider.send(plan.request, signal);
		expect(JSON.stringify(outcome)).not.toContain(secret);
		expect(received.length).toBeLessThanOrEqual(1);
		// The next event is then sent without another look-up.
		if (outcome.kind === "delivered")
			expect(provider.plan([stored], outcome.known, Date.now())).toMatchObject({ request: { purpose: "event" } });
		return outcome;
	}

	test.each<[string, number, string, object]>([
		["its documented success", 200, JSON.stringify(success), { kind: "delivered" }],
		["another 2xx", 202, JSON.stringify(success), { kind: "delivered" }],
		["no body", 200, "", { kind: "delivered" }],
		["204", 204, "", { kind: "delivered" }],
		["a web page", 200, "<html>Sign in to the hotel's network</html>", unreadable],
		["half its success", 200, JSON.stringify(success).slice(0, -5), unreadable],
		["10 MB", 200, JSON.stringify({ ...success, more: "x".repeat(10_000_000) }), unreadable],
		["an array", 200, "[]", unreadable],
		["null", 200, "null", unreadable],
		["a web page", 400, "<html>", { kind: "rejected", status: 400, reason: "http_400" }],
		["10 MB", 400, "x".repeat(10_000_000), { kind: "rejected", status: 400, reason: "http_400" }],
		["an array", 400, "[]", { kind: "rejected", reason: "http_400" }],
		["an object without known fields", 400, '{"errors":7,"error":[],"reason":{},"data":null}', { kind: "rejected" }],
		["errors without known fields", 400, '{"errors":[null,7,"x",[],{"code":1,"message":{}}]}', { kind: "rejected" }],
		["401", 401, "", { kind: "paused", status: 401 }],
		["403", 403, "<html>", { kind: "paused", status: 403 }],
		["404", 404, "", { kind: "unknownPerson" }],
		["402", 402, "{}", { kind: "paused" }],
		["405", 405, "{}", { kind: "rejected" }],
		["408", 408, "", { kind: "retry", status: 408 }],
		["409", 409, "{}", { kind: "rejected" }],
		["410", 410, "{}", { kind: "rejected" }],
		["413", 413, "{}", { kind: "rejected" }],
		["415", 415, "{}", { kind: "rejected" }],
		["422", 422, "{}", { kind: "rejected" }],
		["429", 429, "", { kind: "wait", status: 429 }],
		["429 as a web page", 429, "<html>", { kind: "wait", status: 429 }],
		["500", 500, "", { kind: "retry", status: 500 }],
		["502", 502, "<html>", { kind: "retry", status: 502 }],
		["503", 503, JSON.stringify(success), { kind: "retry", status: 503 }],
		["504", 504, "", { kind: "retry", status: 504 }],
		["520", 520, "", { kind: "retry", status: 520 }],
	])(`understands %s (%d)`, async (_, status, body, expected) => {
		raw(status, body, { "content-type": "application/json" });
		expect(await send()).toMatchObject(expected);
	});

	test("reads JSON under any content type", async () => {
		raw(200, JSON.stringify(success), { "content-type": "text/html" });
		expect(await send()).toMatchObject({ kind: "delivered" });
	});

	test("reads 420 as a rate limit at Crisp, else as a refusal", async () => {
		json(420, {}, { "retry-after": "7" });
		expect(await send()).toMatchObject(name === "Crisp" ? { kind: "wait", forMs: 7_000 } : { kind: "rejected" });
	});

	test.each([301, 302, 303, 307, 308])("is not redirected by a %d", async (status) => {
		raw(status, "", { location: `${elsewhere.url}/v1/event` });
		expect(await send()).toMatchObject({ kind: "retry", status });
		expect(received).toHaveLength(1);
		expect(astray).toBe(0);
	});

	test.each<[string, number | undefined]>([
		["7", 7_000],
		["999999999", 86_400_000],
		["soon", undefined],
	])("waits as Retry-After says: %s", async (header, forMs) => {
		json(429, {}, { "retry-after": header });
		const { kind, forMs: asked } = { forMs: undefined, ...(await send()) };
		expect([kind, asked]).toEqual(["wait", forMs]);
	});

	test("waits until the date Retry-After gives", async () => {
		json(429, {}, { "retry-after": new Date(Date.now() + 60_000).toUTCString() });
		const outcome = await send();
		expect(outcome.kind === "wait" && outcome.forMs).toBeGreaterThan(55_000);
		expect(outcome.kind === "wait" && outcome.forMs).toBeLessThanOrEqual(60_000);
	});

	test("retries after a reset", async () => {
		answer = (response) => response.socket?.resetAndDestroy();
		expect(await send()).toEqual({ kind: "retry", reason: "network" });
	});

	test("retries after a time-out", async () => {
		const time = new AbortController();
		vi.spyOn(AbortSignal, "timeout").mockReturnValue(time.signal);
		answer = () => time.abort(new DOMException("The operation timed out", "TimeoutError"));
		expect(await send()).toEqual({ kind: "retry", reason: "timeout" });
	});

	test("never rejects when it is stopped", async () => {
		const stopped = new AbortController();
		answer = () => stopped.abort();
		expect(await send(stopped.signal)).toEqual({ kind: "retry", reason: "stopped" });
	});

	// The event was accepted. Three days of retries, as after a failed connection, would repeat it some 300 times.
	test.each<[string, (response: ServerResponse, body: string) => void]>([
		[
			"cut short",
			(response, body) => {
				response.writeHead(200, { "content-length": "1000" });
				response.write(body, () => response.destroy());
			},
		],
		[
			"not in the encoding that it names",
			(response, body) => response.writeHead(200, { "content-encoding": "gzip" }).end(body),
		],
	])("retries at most three times when a success is %s", async (_, respond) => {
		answer = (response) => respond(response, JSON.stringify(success));
		expect(await send()).toMatchObject(unreadable);
	});
});
