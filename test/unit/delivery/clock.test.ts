import { expect, it } from "vitest";
import { steadyClock } from "../../../server/delivery/clock.ts";

it("the clock follows the system's forwards, and goes on from where it was when that is set back", () => {
	const system = [1_000, 1_500, 10_000, 4_000, 4_200, 20_000];
	const clock = steadyClock(() => system.shift() ?? 0);
	expect([clock(), clock(), clock(), clock(), clock(), clock()]).toEqual([
		1_000, 1_500, 10_000, 10_000, 10_200, 26_000,
	]);
});
