import type { DatabaseSync } from "node:sqlite";
import { prepare } from "./schema.ts";

/** Maximum wait for a locked file, which a stopping process may still be closing. */
const busyMs = 2_000;

/** Recognises SQLITE_BUSY, https://sqlite.org/rescode.html#busy: another process has locked the file. */
export const isBusy = (error: unknown): boolean => error instanceof Error && "errcode" in error && error.errcode === 5;

/** Imports `node:sqlite` without the warning of older Nodes that it is experimental. */
async function importSqlite(): Promise<typeof import("node:sqlite")> {
	const { emitWarning } = process;
	process.emitWarning = () => {};
	try {
		return await import("node:sqlite");
	} finally {
		process.emitWarning = emitWarning;
	}
}

/** Opens a file and prepares it for the outbox. Rejects with a `StoreOpenError` for a schema that it does not know. */
export async function openDatabase(file: string, options?: { allowMoved: boolean }): Promise<DatabaseSync> {
	const { DatabaseSync } = await importSqlite();
	const db = new DatabaseSync(file, { timeout: busyMs });
	try {
		prepare(db, options);
		return db;
	} catch (error) {
		db.close();
		throw error;
	}
}
