import { nextTick } from "node:process";
import { expect, it } from "vitest";
import { openOutbox } from "../../../server/outbox/open.ts";

it("the thread of an SQLite store starts at once, beside what the caller loads next", async () => {
	let threads = 0;
	const count = () => {
		threads += 1;
	};
	process.on("worker", count);
	const opening = openOutbox("sqlite::memory:");
	await new Promise<void>(nextTick);
	process.off("worker", count);
	await (await opening).close();
	expect(threads).toBe(1);
});
