import { DatabaseSync } from "node:sqlite";
import { prepare } from "./schema.ts";

/** Time to wait for a locked file, which a predecessor may still be closing. */
const busyMs = 2_000;

/** Recognises SQLITE_BUSY, https://sqlite.org/rescode.html#busy: another process has locked the file. */
export const isBusy = (error: unknown): boolean => error instanceof Error && "errcode" in error && error.errcode === 5;

/** Opens a file and prepares it for the outbox. Throws a `StoreOpenError` for a schema that it does not know. */
export function openDatabase(file: string, options?: { allowMoved: boolean }): DatabaseSync {
	const db = new DatabaseSync(file, { timeout: busyMs });
	try {
		prepare(db, options);
		return db;
	} catch (error) {
		db.close();
		throw error;
	}
}
