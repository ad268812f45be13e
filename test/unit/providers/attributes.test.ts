import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	labelKeys,
	leadingUpdates,
	nameAhead,
	remember,
	splitName,
	unsent,
	unsentLabels,
	type Value,
} from "../../../server/providers/attributes.ts";
import { isScalar, type Scalar } from "../../../server/providers/json.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { eventSchema } from "../../../shared/event.ts";

const now = Date.UTC(2026, 10, 23, 12);
const day = 86_400_000;

function stored(type: "login" | "update" | "track", data: Record<string, unknown> = {}): StoredEvent {
	const event = eventSchema.parse({
		id: "0198f1c2-7d0e-7cc3-98c4-dc0c0c07398f",
		type,
		...(type === "track" && { name: "x" }),
		at: now,
		person: { email: "ada@example.com" },
		data,
	});
	return { event, trusted: false, receivedAt: now };
}

const scalar = fc.oneof(fc.string(), fc.boolean(), fc.double({ noDefaultInfinity: true, noNaN: true }));
/** Attribute names, without `__proto__`, which ingest refuses. */
const name = fc
	.oneof(fc.string(), fc.constantFrom("toString", "hasOwnProperty", "0", ""))
	.filter((text) => text !== "__proto__");
const attributes = fc.dictionary(name, scalar, { noNullPrototype: true });

describe("updates at the head of a lane", () => {
	test("are merged, later values winning", () => {
		const lane = [stored("login", { plan: "free", seats: 1 }), stored("update", { plan: "pro" })];
		expect(leadingUpdates(lane)).toEqual({ count: 2, attributes: { plan: "pro", seats: 1 }, labels: [], leftOut: 0 });
	});

	test("end before the first other event", () => {
		const lane = [stored("login", { plan: "free" }), stored("track"), stored("update", { plan: "pro" })];
		expect(leadingUpdates(lane)).toEqual({ count: 1, attributes: { plan: "free" }, labels: [], leftOut: 0 });
	});

	test("are none if another event comes first", () => {
		expect(leadingUpdates([stored("track"), stored("update", { plan: "pro" })]).count).toBe(0);
	});

	test("leave out and count values that are not scalars", () => {
		const data = { list: ["a"], address: { city: "London" }, plan: "pro", paid: false, seats: 0, note: "" };
		expect(leadingUpdates([stored("login", data)])).toEqual({
			count: 1,
			attributes: { plan: "pro", paid: false, seats: 0, note: "" },
			labels: [],
			leftOut: 2,
		});
	});

	test.each<[Record<string, unknown>[], Record<string, Value>]>([
		[[{ plan: "pro" }, { plan: null }], { plan: null }],
		[[{ plan: null }, { plan: "pro" }], { plan: "pro" }],
		[[{ plan: null }, { plan: {} }], { plan: null }],
	])("%j unset and set %j", (datas, merged) => {
		expect(leadingUpdates(datas.map((data) => stored("update", data))).attributes).toEqual(merged);
	});

	test("yield each attribute's last scalar or null, whatever their data", () => {
		return fc.assert(
			fc.property(
				fc.array(fc.dictionary(fc.constantFrom("a", "b", "toString"), fc.jsonValue(), { noNullPrototype: true })),
				(datas) => {
					const expected: Record<string, Value> = {};
					for (const data of datas) {
						for (const [name, value] of Object.entries(data))
							if (value === null || isScalar(value)) expected[name] = value;
					}
					const merged = leadingUpdates(datas.map((data) => stored("update", data)));
					expect(merged.attributes).toEqual(expected);
					expect(merged.count).toBe(datas.length);
				},
			),
		);
	});
});

describe("labels of updates", () => {
	const labelled = (...lists: unknown[]) =>
		leadingUpdates(
			lists.map((segments) => stored("update", { segments })),
			{ label: "segments" },
		);
	const many = (count: number, prefix = "s") => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

	test.each<[string, unknown[], string[], number]>([
		["are a list of text", [["vip", "new"]], ["vip", "new"], 0],
		["are trimmed, and each counts once", [[" vip ", "vip"]], ["vip"], 0],
		["of several updates add up", [["a"], ["b", "a"]], ["a", "b"], 0],
		["are none in an empty list", [[]], [], 0],
		["are not what is no text", [["a", 7, null, {}, ["x"], true]], ["a"], 5],
		["are not empty, too long or unprintable", [["", " ", "x".repeat(121), "a\u0007", "\ud800", "ok"]], ["ok"], 5],
		["are at most 20 of an update", [many(23)], many(20), 3],
		["are not a single text", ["vip"], [], 1],
		["are not an object", [{ length: 1, 0: "vip" }], [], 1],
		["cannot be unset", [null], [], 1],
	])("%s", (_, lists, labels, leftOut) => expect(labelled(...lists)).toMatchObject({ labels, leftOut }));

	test("are at most 20 of updates that are merged", () => {
		expect(labelled(many(15), many(5, "t"), many(1, "u"))).toMatchObject({ count: 2, leftOut: 0 });
	});

	test("of another provider are left out, and never an attribute", () => {
		const data = { segments: ["a"], tags: ["b"], plan: "pro" };
		const { labels, attributes, leftOut } = leadingUpdates([stored("login", data)], { label: "tags" });
		expect({ labels, attributes, leftOut }).toEqual({ labels: ["b"], attributes: { plan: "pro" }, leftOut: 1 });
		expect(leadingUpdates([stored("login", data)])).toMatchObject({ labels: [], leftOut: 2 });
	});

	test("are not sent again within 30 days, and remembered without their text", () => {
		const sent = remember({}, labelKeys(["vip"]), now);
		expect(unsentLabels(["vip", "new"], sent, now + 30 * day - 1)).toEqual(["new"]);
		expect(unsentLabels(["vip"], sent, now + 30 * day)).toEqual(["vip"]);
		expect(JSON.stringify(sent)).not.toContain("vip");
	});
});

describe("a sent attribute", () => {
	test("is not sent again, whatever its name", () => {
		return fc.assert(
			fc.property(attributes, (sent) => {
				expect(unsent(sent, remember({}, sent, now), now + 30 * day - 1)).toEqual({});
			}),
		);
	});

	test("is sent again after 30 days", () => {
		return fc.assert(
			fc.property(attributes, (sent) => {
				expect(unsent(sent, remember({}, sent, now), now + 30 * day)).toEqual(sent);
			}),
		);
	});

	test.each<[string, Scalar, Scalar]>([
		["another text", "free", "pro"],
		["another type", "1", 1],
		["an inverted boolean", true, false],
		["an emptied text", "x", ""],
		["a boolean as text", true, "true"],
	])("is sent again when it has changed: %s", (_, before, after) => {
		expect(unsent({ plan: after }, remember({}, { plan: before }, now), now)).toEqual({ plan: after });
	});

	test("is not confused with a property that every object inherits", () => {
		const inherited = { toString: "x", valueOf: 1, hasOwnProperty: true };
		expect(unsent(inherited, {}, now)).toEqual(inherited);
	});

	test("is remembered without its value", () => {
		expect(JSON.stringify(remember({}, { phone: "+44 20 7946 0018" }, now))).not.toContain("7946");
	});

	test("is remembered while it is among the 200 latest", () => {
		const many = Object.fromEntries(Array.from({ length: 250 }, (_, n) => [`a${n}`, n]));
		const sent = remember(remember({}, { first: 1 }, now), many, now + 1);
		expect(Object.keys(sent)).toHaveLength(200);
		expect(Object.keys(unsent({ ...many, first: 1 }, sent, now + 1))).toHaveLength(51);
		expect(unsent({ a249: 249 }, sent, now + 1)).toEqual({});
	});

	test("keeps its own time when only other attributes are sent", () => {
		const sent = remember(remember({}, { a: 1, b: 1 }, now), { b: 2 }, now + 20 * day);
		expect(unsent({ a: 1, b: 2 }, sent, now + 30 * day)).toEqual({ a: 1 });
	});
});

describe("a person's name", () => {
	test.each<[Record<string, Scalar>, string | undefined]>([
		[{ name: "Ada Lovelace" }, "Ada Lovelace"],
		[{ nickname: "ada" }, "ada"],
		[{ firstname: "Ada", lastname: "Lovelace" }, "Ada Lovelace"],
		[{ firstname: "Ada" }, undefined],
		[{ lastname: "Lovelace" }, undefined],
		[{ name: "Ada Lovelace", nickname: "ada", firstname: "A." }, "Ada Lovelace"],
		[{ nickname: "ada", firstname: "A." }, "ada"],
		[{ name: 7 }, "7"],
		[{ name: "" }, undefined],
		[{ plan: "pro" }, undefined],
		[{}, undefined],
	])("of %j is %j", (given, name) => expect(splitName(given).name).toBe(name));

	test.each<[Record<string, Value>, string | null | undefined, Record<string, Value>]>([
		[{ name: null }, null, {}],
		[{ nickname: null, plan: null }, null, { plan: null }],
		[{ firstname: null, lastname: null }, null, {}],
		[{ firstname: null }, undefined, { firstname: null }],
		[{ name: null, nickname: "ada" }, "ada", { name: null }],
		[{ firstname: "Ada", lastname: null }, undefined, { firstname: "Ada", lastname: null }],
	])("of %j, some of them unset, is %j", (given, name, rest) => expect(splitName(given)).toEqual({ name, rest }));

	// With the fields of an empty form, Crisp would get a nickname of one space.
	test.each<[Record<string, Scalar>, string | undefined]>([
		[{ firstname: "", lastname: "" }, undefined],
		[{ firstname: "Ada", lastname: "" }, undefined],
		[{ firstname: "", lastname: "Lovelace" }, undefined],
		[{ name: " " }, undefined],
		[{ name: "", firstname: "Ada" }, undefined],
		[{ name: "", nickname: "ada" }, "ada"],
	])("is not made of blanks: %j is %j", (given, name) => expect(splitName(given).name).toBe(name));

	test.each<[Record<string, Scalar>, Record<string, Scalar>]>([
		[{ name: "Ada", plan: "pro" }, { plan: "pro" }],
		[
			{ name: "Ada Lovelace", nickname: "ada", firstname: "Ada" },
			{ nickname: "ada", firstname: "Ada" },
		],
		[{ firstname: "Ada", lastname: "Lovelace" }, {}],
		[{ nickname: "ada", lastname: "Lovelace" }, { lastname: "Lovelace" }],
		[{ name: " ", nickname: "", firstname: "", lastname: "", plan: "" }, { plan: "" }],
	])("taken from %j leaves %j", (given, rest) => expect(splitName(given).rest).toEqual(rest));

	test("ahead in the lane comes from the first updates that contain one", () => {
		const lane = [stored("track"), stored("update", { plan: "pro" }), stored("login", { name: "" })];
		expect(nameAhead(lane)).toBeUndefined();
		expect(nameAhead([...lane, stored("track"), stored("login", { name: "Ada" })])).toBe("Ada");
	});

	test("ahead in the lane is merged from adjacent updates", () => {
		const lane = [stored("track"), stored("login", { firstname: "Ada" }), stored("update", { lastname: "Lovelace" })];
		expect(nameAhead([...lane, stored("track"), stored("update", { name: "Eve" })])).toBe("Ada Lovelace");
	});
});
