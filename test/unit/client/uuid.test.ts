import fc from "fast-check";
import { expect, test } from "vitest";
import { createIds } from "../../../client/uuid.ts";

test("ids are UUIDv7 that carry the time", () => {
	const id = createIds(() => 0x0198f1c27d0e)();
	expect(id).toMatch(/^0198f1c2-7d0e-7000-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("ids strictly increase, whatever the clock does", () => {
	const clock = fc.array(fc.integer({ min: 0, max: 2 ** 41 }), { minLength: 2 });
	fc.assert(
		fc.property(clock, (times) => {
			const remaining = [...times];
			const newId = createIds(() => remaining.shift() ?? 0);
			const ids = times.map(newId);
			expect([...ids].sort()).toEqual(ids);
			expect(new Set(ids).size).toBe(ids.length);
		}),
	);
});

test("ids are valid even if the clock stands at zero", () => {
	expect(createIds(() => 0)()).toMatch(/^0{8}-0{4}-7000-8/);
});

test("ids still increase once a millisecond's counter is used up", () => {
	const newId = createIds(() => 5);
	const ids = Array.from({ length: 9_000 }, newId);
	expect([...ids].sort()).toEqual(ids);
	expect(new Set(ids).size).toBe(ids.length);
});
