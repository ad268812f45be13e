import { expect, it } from "vitest";
import { createPurse } from "../../../server/delivery/budget.ts";
import type { Outbox } from "../../../server/outbox/outbox.ts";
import { openSqlite } from "../../../server/outbox/sqlite.ts";
import { temporaryFolder } from "../../support/served.ts";

it("a request that was not needed goes back to the purse in its own window only", async () => {
	const { path, remove } = temporaryFolder();
	const outbox: Outbox = await openSqlite(`${path}/store.db`);
	const limits = { cap: 1, reserve: 0, bucket: 1, windowMs: 1_000, windowOffsetMs: 0 };
	let now = 0;
	const purse = createPurse(outbox, { site: "site", name: "crisp" }, limits, () => now);
	await purse.fill();
	const first = purse.spend(1);
	purse.keep(first);
	expect(purse.tokens()).toBe(1);
	purse.spend(1);
	now = 1_000;
	await purse.fill();
	purse.spend(1);
	purse.keep(first);
	expect(purse.tokens()).toBe(0);
	await outbox.close();
	remove();
});
