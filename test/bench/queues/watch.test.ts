import { expect, it } from "vitest";
import { createWatch } from "./watch.ts";

const delivered = async (numbers: number[]) => {
	const { seen, deliver } = createWatch();
	for (const n of numbers) await deliver({ person: "ada", n });
	return seen;
};

it("a person's events in their order are in order", async () => {
	expect(await delivered([0, 1, 2])).toEqual({ delivered: 3, doubles: 0, outOfOrder: 0 });
});

it("an event that comes before an earlier one is out of order, and the earlier one then is not", async () => {
	expect(await delivered([0, 2, 1, 3])).toEqual({ delivered: 4, doubles: 0, outOfOrder: 1 });
});

it("an event that comes again is a double, whether it was in order or not", async () => {
	expect(await delivered([0, 0, 2, 2])).toEqual({ delivered: 2, doubles: 2, outOfOrder: 1 });
});

it("two of a person's events under way at once are out of order, of two people they are not", async () => {
	const { seen, deliver } = createWatch();
	await Promise.all([deliver({ person: "ada", n: 0 }), deliver({ person: "bob", n: 0 })]);
	expect(seen.outOfOrder).toBe(0);
	await Promise.all([deliver({ person: "ada", n: 1 }), deliver({ person: "ada", n: 2 })]);
	expect(seen.outOfOrder).toBe(1);
});
