import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFact } from "../../../client/facts.ts";
import { limits } from "../../../shared/event.ts";

const track = (data: unknown) => readFact({ type: "track", name: "n", data: data as Record<string, unknown> });

describe("data", () => {
	test("is copied, so later changes on the page do not affect it", () => {
		const data = { basket: ["pen"] };
		const fact = track(data);
		data.basket.push("ink");
		expect(fact.data).toEqual({ basket: ["pen"] });
	});

	test("may be any JSON object within the limits, and is kept unchanged", () => {
		const key = fc.string().filter((key) => !["__proto__", "constructor", "prototype"].includes(key));
		const object = fc.dictionary(key, fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)));
		fc.assert(
			fc.property(object, (data) => {
				expect(track(data).data).toEqual(JSON.parse(JSON.stringify(data)));
			}),
		);
	});

	test("with half an emoji in a text or a key gets U+FFFD in its place, nested too", () => {
		expect(track({ a: ["x\ud83d"], "\ude00": { b: "\\ud83d 😀 \u0007 \\" } }).data).toEqual({
			a: ["x\ufffd"],
			"\ufffd": { b: "\\ud83d 😀 \u0007 \\" },
		});
	});

	test("may be absent", () => {
		expect(track(undefined).data).toBeUndefined();
		expect(track(null).data).toBeUndefined();
	});

	test("may have at most 16,384 bytes in UTF-8", () => {
		const frame = JSON.stringify({ t: "" }).length;
		const fits = "é".repeat((limits.dataBytes - frame) / 2);
		expect(track({ t: fits }).data).toEqual({ t: fits });
		expect(() => track({ t: `${fits}x` })).toThrow("data: over 16 KB");
	});

	const cycle: Record<string, unknown> = {};
	cycle.self = cycle;
	test.each([
		["an array", []],
		["a text", "text"],
		["a function", () => {}],
		["a cycle", cycle],
		["a BigInt", { big: 1n }],
	])("may not be %s", (_, data) => {
		expect(() => track(data)).toThrow(TypeError);
	});
});

describe("a name", () => {
	test.each(["a", "Crème brûlée 🍮", "x".repeat(limits.nameLength)])("may be %s", (name) => {
		expect(readFact({ type: "track", name }).name).toBe(name);
	});

	test("with half an emoji gets U+FFFD in its place", () => {
		expect(readFact({ type: "track", name: "Pen \ud83d" }).name).toBe("Pen \ufffd");
	});

	test.each(["", "x".repeat(limits.nameLength + 1), "a\nb", "\u0085", undefined, 7])("may not be %j", (name) => {
		expect(() => readFact({ type: "track", name: name as string })).toThrow(TypeError);
	});
});

test("an orderId is text or a number, and becomes text without white space around it", () => {
	for (const [orderId, read] of [
		["A-1", "A-1"],
		[" A-1\n", "A-1"],
		[7, "7"],
		[0, "0"],
	]) {
		expect(readFact({ type: "confirmation", data: { orderId } }).data).toEqual({ orderId: read });
	}
});

test.each([undefined, "", " ", null, Number.NaN, {}, "undefined", "null", "NaN", "[object Object]", "x".repeat(201)])(
	"%j is no orderId",
	(orderId) => {
		expect(() => readFact({ type: "confirmation", data: { orderId } })).toThrow("orderId");
		expect(() => readFact({ type: "confirmation" })).toThrow("orderId: missing");
	},
);
