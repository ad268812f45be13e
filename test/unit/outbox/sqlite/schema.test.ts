import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { prepare } from "../../../../server/outbox/sqlite/schema.ts";
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
