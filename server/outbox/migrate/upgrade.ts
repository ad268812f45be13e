import { existsSync } from "node:fs";
import { StoreOpenError } from "../errors.ts";
import { upgradeDatabase } from "../postgres/database.ts";
import type { Prepared } from "../postgres/schema.ts";
import { openSqlite } from "../sqlite/open.ts";
import { sqliteFile } from "../store-url.ts";

/**
 * Brings the schema of a store up to date. In PostgreSQL, proxies of this version and of the one before may run
 * meanwhile; no proxy may use an SQLite file. Rejects with {@link StoreOpenError}.
 */
export async function upgradeStore(store: string): Promise<Pick<Prepared, "older">> {
	const file = sqliteFile(store);
	if (file === undefined) return upgradeDatabase(store);
	if (!existsSync(file)) throw new StoreOpenError(`there is no store at ${file}`);
	await (await openSqlite(file)).close();
	return { older: 0 };
}
