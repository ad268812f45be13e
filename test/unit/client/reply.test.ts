import { expect, test } from "vitest";
import { backoff, readReply } from "../../../client/reply.ts";

const json = (status: number, body: unknown, events = 1) => readReply(Response.json(body, { status }), events);
const empty = (status: number, headers = {}) => readReply(new Response(null, { status, headers }), 1);
const failed = { _kind: "failed" };

test("a 202 with the proxy's body lists the rejected events", async () => {
	const rejected = [{ id: "1", code: "invalid_event", message: "no name" }];
	expect(await json(202, { accepted: 2, rejected })).toEqual({ _kind: "accepted", _rejected: rejected });
});

test("a 202 with another body acknowledges nothing", async () => {
	for (const body of [{}, { accepted: "2", rejected: [] }, { accepted: 2 }, []]) {
		expect(await json(202, body)).toEqual(failed);
	}
	expect(await empty(202)).toEqual(failed);
	expect(await json(202, null)).toEqual(failed);
});

test("any 400 or 413 splits a batch, but only the proxy's own error code refuses a single event", async () => {
	expect(await json(400, { code: "malformed_body" })).toEqual({ _kind: "refused" });
	expect(await json(413, { code: "body_too_large" })).toEqual({ _kind: "refused" });
	for (const body of [{}, { code: 7 }, { code: "not_found" }, null, [], "malformed_body"]) {
		for (const status of [400, 413]) {
			expect(await json(status, body, 2)).toEqual({ _kind: "refused" });
			expect(await json(status, body, 1)).toEqual(failed);
		}
	}
});

test("401 and 403 stop sending, with the reason given in the answer", async () => {
	expect(await json(401, { code: "invalid_write_key" })).toEqual({ _kind: "stopped", _code: "invalid_write_key" });
	expect(await json(403, { code: "origin_not_allowed" })).toEqual({ _kind: "stopped", _code: "origin_not_allowed" });
	expect(await empty(401)).toEqual({ _kind: "stopped", _code: "401" });
	expect(await json(403, "<h1>Blocked</h1>")).toEqual({ _kind: "stopped", _code: "403" });
});

test.each([400, 413, 200, 204, 404, 429, 500, 503])("an empty %i is a failure", async (status) => {
	expect(await empty(status)).toEqual(failed);
});

test("429 and 503 wait for their Retry-After, at most a day", async () => {
	expect(await empty(429, { "Retry-After": "7" })).toEqual({ _kind: "wait", _ms: 7_000 });
	expect(await empty(503, { "Retry-After": "99999999" })).toEqual({ _kind: "wait", _ms: 86_400_000 });
	expect(await empty(503, { "Retry-After": "soon" })).toEqual(failed);
	expect(await empty(500, { "Retry-After": "7" })).toEqual(failed);
});

test("backoff is a random time below a bound that doubles from 1 s to 5 min", () => {
	const longest = [0, 1, 2, 8, 9, 99, 2_000].map((failures) => backoff(failures, 1));
	expect(longest).toEqual([1_000, 2_000, 4_000, 256_000, 300_000, 300_000, 300_000]);
	expect(backoff(99, 0)).toBe(0);
});
