import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import type { Discarded } from "./outbox.ts";
import { prepare } from "./sqlite-schema.ts";
import { createSqliteStore, type SqliteStore } from "./sqlite-store.ts";

/** What the other side asks: an operation of the store and its arguments. */
export interface Call {
	id: number;
	operation: Exclude<
		keyof SqliteStore,
		"fanOut" | "hasJournal" | "setAside" | "forgetTurns" | "recover" | "checkpoint"
	>;
	args: unknown[];
}

/** What the thread is started with. */
export interface StoreData {
	path: string;
	maxBytes: number | undefined;
}

/** What this side says. */
export type Message =
	| { kind: "open" }
	| { kind: "failed"; message: string }
	| { kind: "replies"; replies: ({ id: number; value: unknown } | { id: number; error: string })[] }
	| { kind: "ready" }
	| { kind: "discarded"; discarded: Discarded[] }
	/** Something behind the interface fails, and will be tried again or was set aside. */
	| { kind: "fault"; message: string };

/** How long a busy file is waited for: a predecessor may still be closing it. */
const busyMs = 2_000;
/** How soon a fan-out that failed (a full disk) is tried again. */
const retryMs = 1_000;

const port = parentPort;
if (!port) throw new Error("sqlite-thread.ts runs as a worker thread");
const say = (message: Message) => port.postMessage(message);
/** SQLite's codes for what is wrong with the disk or the machine, not with what is written: busy, no memory, I/O, full. */
const outOfOrder = new Set([5, 7, 10, 13]);
const isOutOfOrder = (error: unknown) =>
	error instanceof Error && "errcode" in error && outOfOrder.has(Number(error.errcode) & 0xff);
/** How long after a write has failed the store says that it cannot be written. */
const unwellMs = 10_000;

const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

function open({ path, maxBytes }: StoreData): { db: DatabaseSync; store: SqliteStore } {
	const db = new DatabaseSync(path, { timeout: busyMs });
	prepare(db);
	const store = createSqliteStore(db, maxBytes);
	store.recover(Date.now());
	return { db, store };
}

function serve({ db, store }: { db: DatabaseSync; store: SqliteStore }): void {
	let calls: Call[] = [];
	let scheduled = false;
	let closed = false;
	let retrying: NodeJS.Timeout | undefined;
	let failedAt = Number.NEGATIVE_INFINITY;

	function transaction<T>(work: () => T): T {
		db.exec("BEGIN IMMEDIATE");
		try {
			const result = work();
			db.exec("COMMIT");
			return result;
		} catch (error) {
			if (db.isTransaction) db.exec("ROLLBACK");
			store.forgetTurns();
			throw error;
		}
	}

	/** One call inside the shared transaction: alone undone if it fails, unless SQLite gave up the whole transaction. */
	function answer({ id, operation, args }: Call) {
		if (operation === "check" && performance.now() - failedAt < unwellMs)
			return { id, error: "a write failed just now" };
		db.exec("SAVEPOINT one");
		try {
			const value = (store[operation] as (...args: unknown[]) => unknown)(...args);
			db.exec("RELEASE one");
			return { id, value };
		} catch (error) {
			if (!db.isTransaction) throw error;
			db.exec("ROLLBACK TO one; RELEASE one");
			store.forgetTurns();
			if (isOutOfOrder(error)) failedAt = performance.now();
			return { id, error: reason(error) };
		}
	}

	/** Whatever has arrived shares one commit, and so one sync of the disk. */
	function answerAll(arrived: Call[]): void {
		let replies: Extract<Message, { kind: "replies" }>["replies"];
		try {
			replies = transaction(() => arrived.map(answer));
		} catch (error) {
			failedAt = performance.now();
			replies = arrived.map(({ id }) => ({ id, error: reason(error) }));
		}
		say({ kind: "replies", replies });
		if (arrived.some(({ operation }) => operation === "sweep")) checkpoint();
		// Whoever settles a lane looks again by itself.
		if (arrived.some(({ operation }) => operation === "replayStep")) say({ kind: "ready" });
	}

	function checkpoint(): void {
		try {
			store.checkpoint();
		} catch (error) {
			say({ kind: "fault", message: `the store could not be compacted: ${reason(error)}` });
		}
	}

	function turn(): void {
		scheduled = false;
		if (closed) return;
		const arrived = calls;
		calls = [];
		if (arrived.length > 0) answerAll(arrived);
		if (!retrying) fanOut();
	}

	function fanOut(): void {
		try {
			if (!store.hasJournal()) return;
			const discarded = transaction(() => store.fanOut(Date.now()));
			if (discarded.length > 0) say({ kind: "discarded", discarded });
			say({ kind: "ready" });
			schedule();
		} catch (error) {
			say({ kind: "fault", message: `events could not be fanned out: ${reason(error)}` });
			if (isOutOfOrder(error)) retryLater();
			else fanOutOne();
		}
	}

	/** After a failure that is not the disk's: takes one journal row, and if that is the one, sets it aside. */
	function fanOutOne(): void {
		try {
			transaction(() => store.fanOut(Date.now(), 1));
			schedule();
		} catch (error) {
			try {
				transaction(() => store.setAside(reason(error)));
				schedule();
			} catch {
				retryLater();
			}
		}
	}

	/** The journal still has it all. */
	function retryLater(): void {
		failedAt = performance.now();
		retrying = setTimeout(() => {
			retrying = undefined;
			schedule();
		}, retryMs);
	}

	function schedule(): void {
		if (scheduled) return;
		scheduled = true;
		setImmediate(turn);
	}

	port?.on("message", (message: Call | "close") => {
		if (message === "close") {
			closed = true;
			clearTimeout(retrying);
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
	const opened = open(workerData as StoreData);
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
