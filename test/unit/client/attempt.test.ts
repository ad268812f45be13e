import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { within } from "../../../client/attempt.ts";

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	vi.useRealTimers();
});

test("a work that succeeds leaves no timer behind, which would wake the page for nothing", async () => {
	await expect(within(3_000, async () => "done")).resolves.toBe("done");
	expect(vi.getTimerCount()).toBe(0);
});

test("a work without an end is rejected at its time limit, and its signal is aborted", async () => {
	let signal: AbortSignal | undefined;
	const late = expect(
		within(3_000, (given) => {
			signal = given;
			return new Promise(() => {});
		}),
	).rejects.toBe("late");
	await vi.advanceTimersByTimeAsync(2_999);
	expect(signal?.aborted).toBe(false);
	await vi.advanceTimersByTimeAsync(1);
	await late;
	expect(signal?.aborted).toBe(true);
});
