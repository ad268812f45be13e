import { DatabaseSync } from "node:sqlite";
import { openSqlite } from "../../server/outbox/sqlite/open.ts";

/** Creates a store at `file` with a batch that cannot be fanned out. */
export async function storeTornBatch(file: string): Promise<void> {
	await (await openSqlite(file)).close();
	const db = new DatabaseSync(file);
	db.exec("INSERT INTO journal (id, head, keys) VALUES (0, '{ torn', x'')");
	db.close();
}
