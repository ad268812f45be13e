import { expect, it } from "vitest";
import { createWatch } from "./watch.ts";

const delivered = async (numbers: number[]) => {
	const { tally, deliver } = createWatch();
	for (const n of numbers) await deliver({ person: "ada", n });
	return tally;
};

it("a person's events 0, 1, 2 are in order", async () => {
	expect(await delivered([0, 1, 2])).toEqual({ delivered: 3, doubles: 0, outOfOrder: 0 });
});

it("an event that overtakes an earlier one is out of order, the overtaken one is not", async () => {
	expect(await delivered([0, 2, 1, 3])).toEqual({ delivered: 4, doubles: 0, outOfOrder: 1 });
});

it("a repeated event is a double, in order or not", async () => {
	expect(await delivered([0, 0, 2, 2])).toEqual({ delivered: 2, doubles: 2, outOfOrder: 1 });
});

it("two concurrent events are out of order for one person, but not for two", async () => {
	const { tally, deliver } = createWatch();
	await Promise.all([deliver({ person: "ada", n: 0 }), deliver({ person: "bob", n: 0 })]);
	expect(tally.outOfOrder).toBe(0);
	await Promise.all([deliver({ person: "ada", n: 1 }), deliver({ person: "ada", n: 2 })]);
	expect(tally.outOfOrder).toBe(1);
});
