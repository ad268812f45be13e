import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { prepare } from "../../../../server/outbox/sqlite/schema.ts";
import { temporaryFolder } from "../../../support/served.ts";

it("the store syncs every commit and writes ahead, as less loses acknowledged events on power loss", () => {
	const { path, remove } = temporaryFolder();
	const db = new DatabaseSync(`${path}/store.db`);
	prepare(db);
	expect(db.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
	expect(db.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
	expect(db.prepare("PRAGMA auto_vacuum").get()).toEqual({ auto_vacuum: 2 });
	db.close();
	remove();
});
