import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { doubling, fullJitter } from "../../../server/delivery/backoff.ts";

describe("backoff", () => {
	it("doubles from a second to a quarter of an hour", () => {
		const bounds = [1, 2, 3, 4, 10, 11, 1_000].map((failures) => doubling(failures, 1_000, 900_000));
		expect(bounds).toEqual([1_000, 2_000, 4_000, 8_000, 512_000, 900_000, 900_000]);
	});

	it("waits a random time between zero and its bound", () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 5_000 }),
				fc.double({ min: 0, max: 1, noNaN: true }),
				(failures, random) => {
					const ms = fullJitter(failures, () => random);
					expect(ms).toBeGreaterThanOrEqual(0);
					expect(ms).toBeLessThanOrEqual(doubling(failures, 1_000, 900_000));
				},
			),
		);
		expect(fullJitter(3, () => 0.5)).toBe(2_000);
	});
});
