import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { prepare } from "./sqlite-schema.ts";
import { createSqliteStore, type SqliteStore } from "./sqlite-store.ts";

/** What the other side asks: an operation of the store and its arguments. */
export interface Call {
	id: number;
	operation: Exclude<keyof SqliteStore, "fanOut" | "hasJournal" | "recover">;
	args: unknown[];
}

/** What this side says. */
export type Message =
	| { kind: "open" }
	| { kind: "failed"; message: string }
	| { kind: "replies"; replies: ({ id: number; value: unknown } | { id: number; error: string })[] }
	| { kind: "ready" };

/** How long a busy file is waited for: a predecessor may still be closing it. */
const busyMs = 2_000;
/** How soon a fan-out that failed (a full disk) is tried again. */
const retryMs = 1_000;

const port = parentPort;
if (!port) throw new Error("sqlite-thread.ts runs as a worker thread");
const say = (message: Message) => port.postMessage(message);
const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

function open(path: string): { db: DatabaseSync; store: SqliteStore } {
	const db = new DatabaseSync(path, { timeout: busyMs });
	prepare(db);
	const store = createSqliteStore(db);
	store.recover(Date.now());
	return { db, store };
}

function serve({ db, store }: { db: DatabaseSync; store: SqliteStore }): void {
	let calls: Call[] = [];
	let scheduled = false;
	let closed = false;

	function transaction<T>(work: () => T): T {
		db.exec("BEGIN IMMEDIATE");
		try {
			const result = work();
			db.exec("COMMIT");
			return result;
		} catch (error) {
			if (db.isTransaction) db.exec("ROLLBACK");
			throw error;
		}
	}

	/** One call inside the shared transaction: alone undone if it fails, unless SQLite gave up the whole transaction. */
	function answer({ id, operation, args }: Call) {
		db.exec("SAVEPOINT one");
		try {
			const value = (store[operation] as (...args: unknown[]) => unknown)(...args);
			db.exec("RELEASE one");
			return { id, value };
		} catch (error) {
			if (!db.isTransaction) throw error;
			db.exec("ROLLBACK TO one; RELEASE one");
			return { id, error: reason(error) };
		}
	}

	/** Whatever has arrived shares one commit, and so one sync of the disk. */
	function answerAll(arrived: Call[]): void {
		let replies: Extract<Message, { kind: "replies" }>["replies"];
		try {
			replies = transaction(() => arrived.map(answer));
		} catch (error) {
			replies = arrived.map(({ id }) => ({ id, error: reason(error) }));
		}
		say({ kind: "replies", replies });
		if (arrived.some(({ operation }) => operation === "settle" || operation === "replayStep")) say({ kind: "ready" });
	}

	function turn(): void {
		scheduled = false;
		if (closed) return;
		const arrived = calls;
		calls = [];
		if (arrived.length > 0) answerAll(arrived);
		try {
			if (!store.hasJournal()) return;
			transaction(() => store.fanOut(Date.now()));
			say({ kind: "ready" });
			schedule();
		} catch {
			// The journal still has it; `check` and `append` tell whoever waits.
			setTimeout(schedule, retryMs);
		}
	}

	function schedule(): void {
		if (scheduled) return;
		scheduled = true;
		setImmediate(turn);
	}

	port?.on("message", (message: Call | "close") => {
		if (message === "close") {
			closed = true;
			if (calls.length > 0) answerAll(calls);
			db.close();
			port?.close();
			return;
		}
		calls.push(message);
		schedule();
	});
	schedule();
}

try {
	const opened = open(String(workerData.path));
	say({ kind: "open" });
	serve(opened);
} catch (error) {
	const busy = error instanceof Error && "errcode" in error && error.errcode === 5;
	say({
		kind: "failed",
		message: busy
			? `another process uses ${workerData.path}: stop it, or give this one a store of its own (--store sqlite:FILE)`
			: `${workerData.path} cannot be opened: ${reason(error)}`,
	});
}
