import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { boundedFetch } from "../../server/destinations/bounded-fetch.ts";
import { plainRequest } from "../../server/destinations/plain-request.ts";
import { dispatcherOfNode } from "../../server/providers/node-dispatch.ts";

let answer: RequestListener;
const server = createServer((request, response) => answer(request, response));
let url: string;
beforeAll(async () => {
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in?a=1`;
});
afterAll(() => {
	server.closeAllConnections();
	server.close();
});
afterEach(() => vi.unstubAllGlobals());

const never = new AbortController().signal;
/** Answers with what came, in a header and as the body. */
const echo: RequestListener = async (request, response) => {
	const { method, url, headers } = request;
	const { "content-type": type, "x-own": own, "content-length": length } = headers;
	response.writeHead(201, "Made", { "x-came": "yes", "content-type": "application/json" });
	response.end(JSON.stringify({ method, url, type, own, length, body: await text(request) }));
};

describe("the fetch of functions", () => {
	test.each<[string, RequestInit]>([
		["a GET", {}],
		["text", { method: "POST", body: "Ünïcode ✓", headers: { "X-Own": "1" } }],
		["JSON", { method: "PUT", body: "{}", headers: [["Content-Type", "application/json"]] }],
		["bytes", { method: "PATCH", body: new Uint8Array([104, 105]) }],
		["a DELETE", { method: "DELETE", headers: new Headers({ "x-own": "2" }) }],
	])("sends %s as Node's does, and answers alike", async (_what, init) => {
		answer = echo;
		const shown = async (response: Response) => [
			response.status,
			response.statusText,
			response.ok,
			response.headers.get("x-came"),
			await response.json(),
		];
		expect(plainRequest(url, init)).toBeDefined();
		expect(dispatcherOfNode()).toBeDefined();
		expect(await shown(await boundedFetch(never)(url, init))).toEqual(await shown(await fetch(url, init)));
	});

	test.each<[string, string | Request, RequestInit]>([
		["forms", "https://a.example", { method: "POST", body: new URLSearchParams({ a: "1" }) }],
		["requests", new Request("https://a.example"), {}],
		["other methods", "https://a.example", { method: "HEAD" }],
		["other options", "https://a.example", { cache: "no-store" }],
		["credentials", "https://u:p@a.example", {}],
		["other schemes", "data:text/plain,hello", {}],
		["what is no address", "/in", {}],
	])("leaves %s to Node's", (_what, input, init) => expect(plainRequest(input, init)).toBeUndefined());

	test("leaves all to a fetch that an app has put in place of Node's", async () => {
		vi.stubGlobal("fetch", async () => new Response("stub"));
		expect(await (await boundedFetch(never)(url)).text()).toBe("stub");
	});

	test.each([
		["longer than 64 KB", { "content-type": "text/plain" }, Buffer.alloc(65_537)],
		["packed, though it was asked not to be", { "content-encoding": "gzip" }, gzipSync("hello")],
	])("has the status of an answer that is %s, and not its text", async (_what, headers, body) => {
		answer = (_request, response) => response.writeHead(200, headers).end(body);
		const response = await boundedFetch(never)(url);
		expect(response.status).toBe(200);
		await expect(response.text()).rejects.toThrow("longer than 65536 bytes, or packed");
	});

	test.each([204, 304])("answers %i without a body", async (status) => {
		answer = (_request, response) => response.writeHead(status).end();
		expect(await boundedFetch(never)(url)).toMatchObject({ status, body: null });
	});

	test("reads 64 KB", async () => {
		answer = (_request, response) => response.end("x".repeat(65_536));
		expect(await (await boundedFetch(never)(url)).text()).toHaveLength(65_536);
	});

	test.each(["before", "during", "while the answer comes"])("ends with its signals: %s", async (when) => {
		answer = (_request, response) => {
			if (when === "while the answer comes") response.write("x");
			setImmediate(() => stop.abort(new Error("over")));
		};
		const stop = new AbortController();
		if (when === "before") stop.abort(new Error("over"));
		await expect(boundedFetch(stop.signal)(url)).rejects.toThrow("over");
		const own = new AbortController();
		own.abort(new Error("own"));
		await expect(boundedFetch(never)(url, { signal: own.signal })).rejects.toThrow("own");
	});

	test("fails as Node's does if no answer comes", async () => {
		answer = (request) => request.socket.destroy();
		await expect(boundedFetch(never)(url)).rejects.toThrow(new TypeError("fetch failed"));
	});
});
