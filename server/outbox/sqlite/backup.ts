import { existsSync, linkSync, renameSync, rmSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { StoreOpenError } from "../errors.ts";
import { busyMs, createPrivate, importSqlite, isBusy } from "./database.ts";

/** Pages that are copied between two turns of the event loop: 4 MB. */
const rate = 1_000;

const codeOf = (error: unknown) => (error instanceof Error && "code" in error ? error.code : undefined);

/** Begins to read a store. What others commit from then on is not seen, and does not start the copy anew. */
function beginReading(db: DatabaseSync, file: string): void {
	db.exec("BEGIN");
	const { user_version: version } = db.prepare("PRAGMA user_version").get() ?? {};
	if (version === 0) throw new StoreOpenError(`${file} is no store of eventferry`);
}

/** Gives a finished copy its name, unless another file has it by now. */
function publish(part: string, copy: string): void {
	try {
		linkSync(part, copy);
	} catch (error) {
		if (codeOf(error) === "EEXIST") throw error;
		// The file system has no hard links.
		renameSync(part, copy);
	}
}

/**
 * Copies the store in a file as it is at one moment, while a proxy may use it. The copy is for its owner alone, and has
 * its name once it is complete. Resolves to the copy's size in bytes. Rejects with {@link StoreOpenError}, and overwrites
 * nothing.
 */
export async function backupStore(file: string, copy: string): Promise<number> {
	if (!existsSync(file)) throw new StoreOpenError(`there is no store at ${file}`);
	if (existsSync(copy)) throw new StoreOpenError(`${copy} exists, and is not overwritten: choose another name`);
	const part = `${copy}.part`;
	const tidy = () => {
		for (const end of ["", "-journal", "-wal", "-shm"]) rmSync(part + end, { force: true });
	};
	const { DatabaseSync, backup } = await importSqlite();
	const db = new DatabaseSync(file, { readOnly: true, timeout: busyMs });
	try {
		beginReading(db, file);
		if (!createPrivate(part)) {
			throw new StoreOpenError(`${part} exists: another backup is writing it, or was broken off. Remove it then`);
		}
		process.once("exit", tidy);
		try {
			await backup(db, part, { rate });
			publish(part, copy);
		} finally {
			process.off("exit", tidy);
			tidy();
		}
		return statSync(copy).size;
	} catch (error) {
		throw error instanceof StoreOpenError ? error : new StoreOpenError(reasonOf(error, file, copy), { cause: error });
	} finally {
		db.close();
	}
}

function reasonOf(error: unknown, file: string, copy: string): string {
	if (isBusy(error))
		return `${file} is locked: its file system lets one process use it, or an eventferry of an older version does. Stop it first`;
	if (codeOf(error) === "ENOENT") return `the folder of ${copy} does not exist`;
	if (codeOf(error) === "EEXIST") return `${copy} exists by now, and is not overwritten: choose another name`;
	return `${file} could not be copied to ${copy}: ${error instanceof Error ? error.message : String(error)}`;
}
