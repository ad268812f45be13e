import type { DatabaseSync } from "node:sqlite";
import { prepare } from "./schema.ts";

/** Time to wait for a file that is in use: a predecessor may still be closing it. */
const busyMs = 2_000;

/** Says whether an error is SQLITE_BUSY, https://sqlite.org/rescode.html#busy: another process has the file. */
export const isBusy = (error: unknown): boolean => error instanceof Error && "errcode" in error && error.errcode === 5;

/** Loads Node's SQLite without the warning of older Nodes that it is experimental, which would stand among log lines. */
async function importSqlite(): Promise<typeof import("node:sqlite")> {
	const { emitWarning } = process;
	process.emitWarning = () => {};
	try {
		return await import("node:sqlite");
	} finally {
		process.emitWarning = emitWarning;
	}
}

/** Opens a file and prepares it for the outbox. Rejects with {@link StoreOpenError} where its schema does not fit. */
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
