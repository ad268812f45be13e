import { chmodSync, closeSync, existsSync, fchmodSync, openSync, realpathSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { configure, prepare } from "./schema.ts";

/** Maximum wait for a locked file, which a stopping process may still be closing. */
export const busyMs = 2_000;

/** SQLite's name for a database in memory, https://sqlite.org/inmemorydb.html. */
export const inMemory = ":memory:";

/** Mode of files that only their owner may read and write. Windows has no modes and ignores it. */
const ownerOnly = 0o600;

/** Creates a file for its owner alone, whatever the umask. Leaves an existing file as it is, and returns false. */
export function createPrivate(file: string): boolean {
	try {
		const descriptor = openSync(file, "wx", ownerOnly);
		fchmodSync(descriptor, ownerOnly);
		closeSync(descriptor);
		return true;
	} catch (error) {
		// An existing file must not be opened here: closing it would release SQLite's locks on it in this process,
		// https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
		if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
		return false;
	}
}

/** Gives a database and its logs to their owner alone. SQLite creates later logs with the mode of the database. */
function makePrivate(file: string): void {
	for (const each of [file, `${file}-wal`, `${file}-shm`, `${file}-journal`]) {
		if (existsSync(each)) chmodSync(each, ownerOnly);
	}
}

/** Recognises SQLITE_BUSY and its kinds, https://sqlite.org/rescode.html#busy: another process has locked the file. */
export const isBusy = (error: unknown): boolean =>
	error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === 5;

/** Imports `node:sqlite` without the warning of older Nodes that it is experimental. */
export async function importSqlite(): Promise<typeof import("node:sqlite")> {
	const { emitWarning } = process;
	process.emitWarning = () => {};
	try {
		return await import("node:sqlite");
	} finally {
		process.emitWarning = emitWarning;
	}
}

/**
 * Locks a store against other processes of eventferry until the lock is closed or the process ends, and lets everybody
 * read it: the lock is that of an empty database beside the store, which nobody reads.
 */
function lock(Database: typeof DatabaseSync, file: string): DatabaseSync {
	createPrivate(`${file}-lock`);
	const held = new Database(`${file}-lock`, { timeout: busyMs });
	try {
		held.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
		return held;
	} catch (error) {
		held.close();
		throw error;
	}
}

/**
 * Connects to a file, so that other processes can read it. A file system without memory that processes share, as some
 * networks have, allows one process alone: https://sqlite.org/wal.html#use_of_wal_without_shared_memory
 */
function connect(Database: typeof DatabaseSync, file: string): DatabaseSync {
	function open(first: string): DatabaseSync {
		const db = new Database(file, { timeout: busyMs });
		try {
			db.exec(first);
			configure(db);
			// Reads, to find a file that is no database.
			db.exec("SELECT 1 FROM sqlite_schema");
			return db;
		} catch (error) {
			db.close();
			throw error;
		}
	}
	try {
		return open("");
	} catch (error) {
		if (isBusy(error)) throw error;
		return open("PRAGMA locking_mode = EXCLUSIVE;");
	}
}

/**
 * Opens a file and prepares it for the outbox, which it is locked for until it is closed; others may read it. Only the
 * file's owner may read it from then on, and nobody else may while it is new. Rejects with a `StoreOpenError` for a
 * schema that it does not know.
 */
export async function openDatabase(
	file: string,
	options?: { allowMoved: boolean },
): Promise<{ db: DatabaseSync; close(): void }> {
	const { DatabaseSync } = await importSqlite();
	// Guard (SECURITY.md): store-created
	if (file !== inMemory) createPrivate(file);
	const db = connect(DatabaseSync, file);
	let held: DatabaseSync | undefined;
	const close = () => {
		db.close();
		held?.close();
	};
	try {
		// Only now: a file that is no database was named by mistake, and gets no lock beside it.
		// SQLite follows links, so the lock and the modes must too.
		const real = file === inMemory ? file : realpathSync(file);
		if (file !== inMemory) held = lock(DatabaseSync, real);
		prepare(db, options);
		// It keeps its mode too.
		// Guard (SECURITY.md): store-mode
		if (file !== inMemory) makePrivate(real);
		return { db, close };
	} catch (error) {
		close();
		throw error;
	}
}
