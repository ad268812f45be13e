import { expect, it } from "vitest";
import { tillLongest } from "../../../server/outbox/lease.ts";

it("every tenth lease goes to the lane that has waited longest", () => {
	const byWaiting = Array.from({ length: 30 }, (_, served) => served).filter((served) => tillLongest(served) === 0);
	expect(byWaiting).toEqual([9, 19, 29]);
	expect([0, 8, 10].map(tillLongest)).toEqual([9, 1, 9]);
});
