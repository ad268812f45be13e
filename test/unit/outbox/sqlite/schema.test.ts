import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { sealBatch } from "../../../../server/outbox/journal-row.ts";
import { prepare } from "../../../../server/outbox/sqlite/schema.ts";
import { createSqliteStore } from "../../../../server/outbox/sqlite/store.ts";
import { temporaryFolder } from "../../../support/served.ts";

// Less than FULL may lose commits on power loss: https://www.sqlite.org/pragma.html#pragma_synchronous.
it("the store uses a write-ahead log and syncs every commit, so that power loss loses no acknowledged event", () => {
	const { path, remove } = temporaryFolder();
	const db = new DatabaseSync(`${path}/store.db`);
	prepare(db);
	expect(db.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
	expect(db.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
	expect(db.prepare("PRAGMA auto_vacuum").get()).toEqual({ auto_vacuum: 2 });
	db.close();
	remove();
});

it("the store knows the age of the oldest batch that is not fanned out", () => {
	const { path, remove } = temporaryFolder();
	const db = new DatabaseSync(`${path}/store.db`);
	prepare(db);
	const store = createSqliteStore(db);
	const event = { person: "ada", body: "1", destinations: ["crisp"], claims: [], rank: 0, reserved: false };
	const append = () => store.append(sealBatch({ site: "site", events: [{ ...event, trusted: false }] }));
	expect(store.stats()).toMatchObject({ journal: 0, journalAge: 0 });
	append();
	db.exec("UPDATE journal SET stored_at = stored_at - 70000");
	append();
	expect(store.stats()).toMatchObject({ journal: 2 });
	expect(Math.floor(store.stats().journalAge / 1_000)).toBe(70);
	store.fanOut(0);
	expect(store.stats().journalAge).toBeLessThan(60_000);
	db.close();
	remove();
});
