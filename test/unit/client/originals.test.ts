import { afterEach, expect, test, vi } from "vitest";
import { parseJson, readClock, toJson } from "../../../client/originals.ts";

const polluted: object[] = [];
/** Gives a prototype a `toJSON`, as an old library does. */
function pollute(prototype: object, toJSON: (this: unknown) => unknown) {
	Object.defineProperty(prototype, "toJSON", { value: toJSON, configurable: true, enumerable: true, writable: true });
	polluted.push(prototype);
}
afterEach(() => {
	for (const prototype of polluted.splice(0)) Reflect.deleteProperty(prototype, "toJSON");
	vi.restoreAllMocks();
});

class Money {
	toJSON() {
		return "5 EUR";
	}
}
const batch = { events: [{ data: { list: [1, [2], {}], at: new Date(0), price: new Money(), none: null } }] };
const expected = JSON.parse(JSON.stringify(batch));

test.each([
	["arrays", [Array.prototype]],
	["objects", [Object.prototype]],
	["arrays and objects", [Array.prototype, Object.prototype]],
	["texts and numbers", [String.prototype, Number.prototype, Boolean.prototype]],
])("a toJSON of all %s changes nothing, and the page's own classes keep theirs", (_, prototypes) => {
	for (const prototype of prototypes) pollute(prototype, () => "broken");
	expect(parseJson(toJson(batch))).toEqual(expected);
});

test("a JSON that the page replaces later is not used", () => {
	vi.spyOn(JSON, "stringify").mockReturnValue("broken");
	vi.spyOn(JSON, "parse").mockReturnValue("broken");
	expect(parseJson(toJson(batch))).toEqual(expected);
});

test.each([
	["a Date", () => new Date(5)],
	["a fraction", () => 5.5],
	["text", () => "5"],
])("a clock that gives %s is read as whole milliseconds", (_, now) => {
	vi.spyOn(Date, "now").mockImplementation(now as () => number);
	expect(readClock()).toBe(5);
});

test.each([Number.NaN, "now", undefined, null, {}])("a clock that gives %j is not used", (time) => {
	const before = Date.now();
	vi.spyOn(Date, "now").mockReturnValue(time as number);
	expect(readClock()).toBeGreaterThanOrEqual(before);
	expect(readClock()).toSatisfy(Number.isSafeInteger);
});
