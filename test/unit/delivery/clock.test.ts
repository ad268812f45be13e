import { expect, it } from "vitest";
import { steadyClock } from "../../../server/delivery/clock.ts";

it("the steady clock starts at the system's time and ignores later changes of it", () => {
	let system = 1_000;
	let elapsed = 50.5;
	const clock = steadyClock(
		() => system,
		() => elapsed,
	);
	expect(clock()).toBe(1_000);
	system = 500_000;
	elapsed += 7.25;
	expect(clock()).toBe(1_007);
	system = 0;
	expect(clock()).toBe(1_007);
});
