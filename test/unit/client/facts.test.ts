import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFact } from "../../../client/facts.ts";
import { colors, eventSchema, limits } from "../../../shared/event.ts";

const track = (data: unknown) => readFact({ type: "track", name: "n", data: data as Record<string, unknown> });

const nested = (levels: number): unknown => (levels > 1 ? { inner: nested(levels - 1) } : {});

describe("data", () => {
	test("is a copy that later changes on the page do not reach", () => {
		const data = { basket: ["pen"] };
		const fact = track(data);
		data.basket.push("ink");
		expect(fact.data).toEqual({ basket: ["pen"] });
	});

	test("any JSON object within the limits is taken as it is", () => {
		const key = fc.string().filter((key) => !["__proto__", "constructor", "prototype"].includes(key));
		const object = fc.dictionary(key, fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)));
		fc.assert(
			fc.property(object, (data) => {
				expect(track(data).data).toEqual(JSON.parse(JSON.stringify(data)));
			}),
		);
	});

	test("may be absent", () => {
		expect(track(undefined).data).toBeUndefined();
		expect(track(null).data).toBeUndefined();
	});

	test("may have 16,384 bytes in UTF-8 and no more", () => {
		const frame = JSON.stringify({ t: "" }).length;
		const fits = "é".repeat((limits.dataBytes - frame) / 2);
		expect(track({ t: fits }).data).toEqual({ t: fits });
		expect(() => track({ t: `${fits}x` })).toThrow("data: over 16 KB");
	});

	test("may be 5 levels deep and no more", () => {
		expect(track(nested(limits.dataDepth)).data).toEqual(nested(5));
		expect(() => track(nested(limits.dataDepth + 1))).toThrow("data: over 5 deep");
		expect(() => track({ a: [[[[[]]]]] })).toThrow("data: over 5 deep");
	});

	const cycle: Record<string, unknown> = {};
	cycle.self = cycle;
	test.each([
		["an array", []],
		["a text", "text"],
		["a function", () => {}],
		["a cycle", cycle],
		["a BigInt", { big: 1n }],
		["a forbidden key", JSON.parse('{ "a": [{ "__proto__": 1 }] }')],
		["another forbidden key", { constructor: 1 }],
	])("%s is refused", (_, data) => {
		expect(() => track(data)).toThrow(TypeError);
	});
});

describe("a name", () => {
	test.each(["a", "Crème brûlée 🍮", "x".repeat(limits.nameLength)])("may be %s", (name) => {
		expect(readFact({ type: "track", name }).name).toBe(name);
	});

	test.each(["", "x".repeat(limits.nameLength + 1), "a\nb", "\u0085", "\udc00", undefined, 7])(
		"may not be %j",
		(name) => {
			expect(() => readFact({ type: "track", name: name as string })).toThrow(TypeError);
		},
	);
});

test("the colors are those the proxy knows", () => {
	for (const color of colors) expect(readFact({ type: "track", name: "n", color }).color).toBe(color);
	for (const color of ["mauve", "", "toString"]) {
		expect(() => readFact({ type: "track", name: "n", color: color as "red" })).toThrow("unknown color");
	}
});

test("a confirmation needs an orderId, a text or a number", () => {
	for (const orderId of ["A-1", 7])
		expect(readFact({ type: "confirmation", data: { orderId } }).data).toEqual({ orderId });
	for (const data of [undefined, {}, { orderId: "" }, { orderId: null }, { orderId: "x".repeat(201) }]) {
		expect(() => readFact({ type: "confirmation", data })).toThrow("orderId");
	}
});

describe("a confirmation", () => {
	const accepts = (data: unknown) => {
		try {
			readFact({ type: "confirmation", data: data as Record<string, unknown> });
			return true;
		} catch {
			return false;
		}
	};
	const common = { id: "0198f1c2-7d0e-7cc3-98c4-dc0c0c07398f", at: 1, person: { userId: "1" }, type: "confirmation" };

	test.each([
		{ orderId: "A-1", total: "9.90" },
		{ orderId: "A-1", total: Number.NaN },
		{ orderId: "A-1", total: null },
		{ orderId: "A-1", items: [{ id: "pen" }] },
		{ orderId: "A-1", items: [{ id: "pen", quantity: "2" }] },
		{ orderId: "A-1", items: [{ quantity: 2 }] },
		{ orderId: "A-1", items: [null] },
		{ orderId: "A-1", items: { id: "pen", quantity: 2 } },
		{ orderId: "A\n1" },
		{ orderId: "" },
	])("that the proxy refuses is refused at once: %j", (data) => {
		expect(accepts(data)).toBe(false);
	});

	test("is taken just where the proxy's schema takes it", () => {
		const value = fc.oneof(
			fc.constantFrom(undefined, null, "", "A-1", "A\u0000", "x".repeat(201), 0, 9.9, Number.NaN, {}, [], false),
			fc.string(),
		);
		const item = fc.oneof(value, fc.record({ id: value, quantity: value }, { requiredKeys: [] }));
		const order = fc.record(
			{ orderId: value, total: value, items: fc.oneof(value, fc.array(item, { maxLength: 2 })), more: value },
			{ requiredKeys: [] },
		);
		fc.assert(
			fc.property(order, (data) => {
				const sent = JSON.parse(JSON.stringify({ ...common, data }));
				expect(accepts(data)).toBe(eventSchema.safeParse(sent).success);
			}),
			{ numRuns: 1_000 },
		);
	});
});
