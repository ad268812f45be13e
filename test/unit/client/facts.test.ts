import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { copyData, readEventName, readOrder } from "../../../client/facts.ts";
import { limits } from "../../../shared/event.ts";

const copy = (data: unknown) => copyData(data as Record<string, unknown>);

describe("data", () => {
	test("is copied, so later changes on the page do not affect it", () => {
		const data = { basket: ["pen"] };
		const copied = copy(data);
		data.basket.push("ink");
		expect(copied).toEqual({ basket: ["pen"] });
	});

	test("may be any JSON object within the limits, and is kept unchanged", () => {
		const key = fc.string().filter((key) => !["__proto__", "constructor", "prototype"].includes(key));
		const object = fc.dictionary(key, fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)));
		fc.assert(
			fc.property(object, (data) => {
				expect(copy(data)).toEqual(JSON.parse(JSON.stringify(data)));
			}),
		);
	});

	test("with half an emoji in a text or a key gets U+FFFD in its place, nested too", () => {
		expect(copy({ a: ["x\ud83d"], "\ude00": { b: "\\ud83d 😀 \u0007 \\" } })).toEqual({
			a: ["x\ufffd"],
			"\ufffd": { b: "\\ud83d 😀 \u0007 \\" },
		});
	});

	test("may be absent", () => {
		expect(copy(undefined)).toBeUndefined();
		expect(copy(null)).toBeUndefined();
	});

	test("may have at most 16,384 bytes in UTF-8", () => {
		const frame = JSON.stringify({ t: "" }).length;
		const fits = "é".repeat((limits.dataBytes - frame) / 2);
		expect(copy({ t: fits })).toEqual({ t: fits });
		expect(() => copy({ t: `${fits}x` })).toThrow("data: over 16 KB");
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
		expect(() => copy(data)).toThrow(TypeError);
	});
});

describe("a name", () => {
	test.each(["a", "Crème brûlée 🍮", "x".repeat(limits.nameLength)])("may be %s", (name) => {
		expect(readEventName(name)).toBe(name);
	});

	test("with half an emoji gets U+FFFD in its place", () => {
		expect(readEventName("Pen \ud83d")).toBe("Pen \ufffd");
	});

	test.each(["", "x".repeat(limits.nameLength + 1), "a\nb", "\u0085", undefined, 7])("may not be %j", (name) => {
		expect(() => readEventName(name)).toThrow(TypeError);
	});
});

test("an orderId is text or a number, and becomes text without white space around it", () => {
	for (const [orderId, read] of [
		["A-1", "A-1"],
		[" A-1\n", "A-1"],
		[7, "7"],
		[0, "0"],
	]) {
		expect(readOrder({ orderId: orderId as string })).toEqual({ orderId: read });
	}
});

test.each([undefined, "", " ", null, Number.NaN, {}, "undefined", "null", "NaN", "[object Object]", "x".repeat(201)])(
	"%j is no orderId",
	(orderId) => {
		expect(() => readOrder({ orderId: orderId as string })).toThrow("orderId");
		expect(() => readOrder(undefined as never)).toThrow("orderId: missing");
	},
);
