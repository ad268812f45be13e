import { beforeEach, expect, it } from "vitest";
import { createAlarm } from "../../../server/delivery/alarm.ts";

let started: { ring: () => void; ms: number; isCancelled: boolean }[];
let alarm: ReturnType<typeof createAlarm>;
beforeEach(() => {
	started = [];
	alarm = createAlarm(
		() => 1_000,
		(ring, ms) => {
			const timer = { ring, ms, isCancelled: false };
			started.push(timer);
			return () => {
				timer.isCancelled = true;
			};
		},
	);
});

it("an alarm sleeps until the time it is given", async () => {
	const sleeping = alarm.sleep(1_250);
	expect(started).toMatchObject([{ ms: 250 }]);
	started[0]?.ring();
	await sleeping;
});

it("an alarm does not wait for a time that has passed", async () => {
	const sleeping = alarm.sleep(500);
	expect(started).toMatchObject([{ ms: 0 }]);
	started[0]?.ring();
	await sleeping;
});

it("an alarm sleeps for at most a minute, even when asked to sleep for ever", async () => {
	const sleeping = alarm.sleep(Number.POSITIVE_INFINITY);
	expect(started).toMatchObject([{ ms: 60_000 }]);
	started[0]?.ring();
	await sleeping;
});

it("wake() ends a sleep early and cancels its timer", async () => {
	const sleeping = alarm.sleep(2_000);
	alarm.wake();
	await sleeping;
	expect(started).toMatchObject([{ isCancelled: true }]);
});

it("an alarm skips one sleep if it was woken since the last, however often", async () => {
	alarm.wake();
	alarm.wake();
	await alarm.sleep(2_000);
	expect(started).toEqual([]);
	const sleeping = alarm.sleep(2_000);
	expect(started).toHaveLength(1);
	alarm.wake();
	await sleeping;
});
