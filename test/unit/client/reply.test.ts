import { expect, test } from "vitest";
import { backoff, readReply } from "../../../client/reply.ts";

const json = (status: number, body: unknown) => readReply(Response.json(body, { status }));
const empty = (status: number, headers = {}) => readReply(new Response(null, { status, headers }));
const failed = {};

test("a 202 with the proxy's body lists the rejected events", async () => {
	const rejected = [{ id: "1", code: "invalid_event", message: "no name" }];
	expect(await json(202, { accepted: 2, rejected })).toEqual({ _rejected: rejected });
});

test("a 202 with another body acknowledges nothing", async () => {
	for (const body of [{}, { accepted: "2", rejected: [] }, { accepted: 2 }, []]) {
		expect(await json(202, body)).toEqual(failed);
	}
	expect(await empty(202)).toEqual(failed);
	expect(await json(202, null)).toEqual(failed);
});

test("only the proxy's own codes refuse a body or stop the page", async () => {
	expect(await json(400, { code: "malformed_body" })).toEqual({ _refusal: "malformed_body" });
	expect(await json(413, { code: "body_too_large" })).toEqual({ _refusal: "body_too_large" });
	expect(await json(401, { code: "invalid_write_key" })).toEqual({ _stop: "invalid_write_key" });
	expect(await json(403, { code: "origin_not_allowed" })).toEqual({ _stop: "origin_not_allowed" });
	for (const status of [400, 401, 403, 413]) {
		for (const body of [{}, { code: 7 }, { code: "forbidden" }, null, [], "origin_not_allowed"]) {
			expect(await json(status, body)).toEqual(failed);
		}
		expect(await readReply(new Response("<h1>Blocked</h1>", { status }))).toEqual(failed);
	}
});

test("an answer that the browser ends rejects with its error", async () => {
	const body = new ReadableStream({ start: (stream) => stream.error(new TypeError("network error")) });
	await expect(readReply(new Response(body, { status: 202 }))).rejects.toThrow("network error");
});

test.each([400, 401, 403, 413, 200, 204, 404, 500])("an empty %i is a failure", async (status) => {
	expect(await empty(status)).toEqual(failed);
});

test("429 and 503 wait for their Retry-After, at most a day", async () => {
	expect(await empty(429, { "Retry-After": "7" })).toEqual({ _ms: 7_000 });
	expect(await empty(503, { "Retry-After": "99999999" })).toEqual({ _ms: 86_400_000 });
	for (const headers of [{}, { "Retry-After": "soon" }, { "Retry-After": "0" }]) {
		expect((await empty(503, headers))._ms || undefined).toBeUndefined();
	}
	for (const code of ["store_unavailable", "outcome_unknown"]) {
		const refused = new Response(JSON.stringify({ code }), { status: 503, headers: { "Retry-After": "5" } });
		expect((await readReply(refused))._ms, code).toBe(5_000);
	}
	expect(await empty(500, { "Retry-After": "7" })).toEqual(failed);
});

test("backoff is a random time below a bound that doubles from 1 s to 5 min", () => {
	const longest = [0, 1, 2, 8, 9, 99, 2_000].map((failures) => backoff(failures, 1));
	expect(longest).toEqual([1_000, 2_000, 4_000, 256_000, 300_000, 300_000, 300_000]);
	expect(backoff(99, 0)).toBe(0);
});
