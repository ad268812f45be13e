import type { Outbox } from "./outbox.ts";
import { openSqlite } from "./sqlite/open.ts";
import { sqliteFile } from "./store-url.ts";

/**
 * Opens the store at a URL, `sqlite:FILE` or `postgres://…`. At `maxBytes` in use, `append` rejects until there is
 * room again. Rejects with `StoreOpenError`.
 */
export async function openOutbox(store: string, options: { maxBytes?: number | undefined } = {}): Promise<Outbox> {
	const file = sqliteFile(store);
	if (file === undefined) return (await import("./postgres/open.ts")).openPostgres(store, options);
	return openSqlite(file, options);
}
