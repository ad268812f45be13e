import { describe, expect, it } from "vitest";
import { readAnswer } from "../../../server/destinations/answer.ts";

const { signal } = new AbortController();

describe("what is remembered", () => {
	it.each([
		["a date", new Date(0)],
		["what becomes a number", { toJSON: () => 5 }],
		["what becomes a list", { toJSON: () => [] }],
		["what becomes nothing", { toJSON: () => undefined }],
	])("is a JSON object, not %s", async (_what, known) => {
		await expect(readAnswer({ kind: "delivered", known }, {}, signal)).rejects.toThrow("known must be a JSON object");
	});
});

it.each([
	[0, undefined],
	[1.5, 1_500],
	[1e300, 86_400_000],
])("a wait of %d s is one of %s ms", async (retryAfter, forMs) => {
	expect(await readAnswer({ kind: "wait", retryAfter }, {}, signal)).toMatchObject({ kind: "wait", forMs });
});

describe("a response", () => {
	it("of a failed network is tried again", async () => {
		expect(await readAnswer(Response.error(), {}, signal)).toMatchObject({ kind: "retry", status: 0 });
	});

	it("means what its status says, though its body has no end", async () => {
		const limit = new AbortController();
		const reading = readAnswer(new Response(new ReadableStream(), { status: 422 }), {}, limit.signal);
		limit.abort();
		expect(await reading).toMatchObject({ kind: "rejected", reason: "http_422", status: 422 });
	});
});
