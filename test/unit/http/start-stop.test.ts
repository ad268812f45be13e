import { expect, test } from "vitest";
import { createStartStop } from "../../../server/http/start-stop.ts";

/** Start and stop functions that log each opening and closing. `opens` run before the first of them. */
function watched(...opens: (() => Promise<void>)[]) {
	const log: string[] = [];
	const both = createStartStop(async () => {
		await opens.shift()?.();
		log.push("open");
		return async (graceMs) => void log.push(`close ${graceMs}`);
	});
	return { log, ...both };
}

test("two starts open once, and a stop closes with the given grace period", async () => {
	const { log, start, stop } = watched();
	await Promise.all([start(), start()]);
	await stop(5);
	await stop();
	expect(log).toEqual(["open", "close 5"]);
});

test("a stop lets a start finish, and a start waits for a stop", async () => {
	const { log, start, stop } = watched();
	await Promise.all([start(), stop(), start(), stop()]);
	expect(log).toEqual(["open", "close 10000", "open", "close 10000"]);
});

test("a start that failed can be tried again", async () => {
	const { log, start, stop } = watched(() => Promise.reject(new Error("locked")));
	await expect(start()).rejects.toThrow("locked");
	await stop();
	await start();
	await stop(1);
	expect(log).toEqual(["open", "close 1"]);
});

test("a failed start does not keep the next start from being stopped", async () => {
	const { log, start, stop } = watched(() => Promise.reject(new Error("locked")));
	const [first] = await Promise.allSettled([start(), stop(), start()]);
	expect(first.status).toBe("rejected");
	await stop(1);
	expect(log).toEqual(["open", "close 1"]);
});
