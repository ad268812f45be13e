import { DatabaseSync } from "node:sqlite";
import { openSqlite } from "../../server/outbox/sqlite/open.ts";

/** Creates a store at `file` with batches that cannot be fanned out, with these ids. */
export async function storeTornBatch(file: string, ids = [0]): Promise<void> {
	await (await openSqlite(file)).close();
	const db = new DatabaseSync(file);
	for (const id of ids) db.exec(`INSERT INTO journal (id, head, keys) VALUES (${id}, '{ torn', x'')`);
	db.close();
}
