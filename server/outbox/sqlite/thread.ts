import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { collectOnce } from "../collect.ts";
import { batchFailure, writeFailed } from "../errors.ts";
import { discardedTold, fanOutSize, retryMs, unwellMs } from "../limits.ts";
import type { Discarded } from "../outbox.ts";
import { isBusy, openDatabase } from "./database.ts";
import { type Answer, type Call, type Message, perform, type StoreData } from "./operations.ts";
import { createSqliteStore, type SqliteStore } from "./store.ts";

/** Part of the waiting batches that is fanned out while calls wait: the longer the journal, the more. */
const share = 1 / 8;
/** Maximum duration of a fan-out while calls wait, so that `append` never waits for long. */
const shareMs = 4;

const port = parentPort;
if (!port) throw new Error("thread.ts runs as a worker thread");
const say = (message: Message) => port.postMessage(message);
/** Codes of errors of the disk or the machine, https://sqlite.org/rescode.html: BUSY, NOMEM, IOERR, FULL. */
const machineErrors = new Set([5, 7, 10, 13]);
const isMachineError = (error: unknown) =>
	error instanceof Error && "errcode" in error && machineErrors.has(Number(error.errcode) & 0xff);

/** Recognises a commit that is written but perhaps not durable: IOERR_FSYNC, https://sqlite.org/rescode.html. */
const isUnknownCommit = (error: unknown) => error instanceof Error && "errcode" in error && error.errcode === 1034;

/** Calls that need room in a store of limited size. */
const needRoom: ReadonlySet<Call["name"]> = new Set(["append", "receive", "link", "check"]);

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function serve(store: SqliteStore, closeDatabase: () => void): void {
	const { transactions } = store;
	let calls: Call[] = [];
	let scheduled = false;
	let isClosing = false;
	let retrying: NodeJS.Timeout | undefined;
	let failedAt = Number.NEGATIVE_INFINITY;
	/** Number of events fanned out since the last commit; they are committed with the next calls. */
	let fannedOut = 0;
	let discarded: Discarded[] = [];

	/** Performs a call within the shared transaction. A failure undoes that call alone, unless SQLite rolled back all. */
	function answer(call: Call): Answer {
		const { id, name } = call;
		if (name === "check" && performance.now() - failedAt < unwellMs) return { id, error: writeFailed };
		try {
			if (needRoom.has(name)) store.makeRoom();
			return { id, value: transactions.savepoint(() => perform(store, call)) };
		} catch (error) {
			if (!transactions.isOpen()) throw error;
			if (isMachineError(error)) failedAt = performance.now();
			return { id, error: messageOf(error) };
		}
	}

	/** Performs the calls that have arrived. Commits them and the last fan-outs together, in one sync of the disk. */
	function commit(): void {
		const arrived = calls;
		calls = [];
		let answers: Answer[];
		let isReady = fannedOut > 0;
		try {
			if (!transactions.isOpen()) transactions.begin();
			answers = arrived.map(answer);
			transactions.commit();
		} catch (error) {
			transactions.rollback();
			failedAt = performance.now();
			answers = arrived.map(({ id }) => ({ id, error: messageOf(error), isUnknown: isUnknownCommit(error) }));
			discarded = [];
			if (isReady) fanOutFailed(error);
			isReady = false;
		}
		// A settlement can make a lane ready as well, but its dispatcher then takes lanes by itself.
		isReady ||= arrived.some(({ name }) => name === "replayStep" || name === "expire");
		fannedOut = 0;
		if (answers.length + discarded.length > 0 || isReady) {
			say({ kind: "committed", answers, discarded: discarded.slice(-discardedTold), isReady });
		}
		discarded = [];
		if (arrived.some(({ name }) => name === "sweep")) checkpoint();
	}

	function checkpoint(): void {
		try {
			store.checkpoint();
		} catch (error) {
			say({ kind: "fault", message: `the store could not be compacted: ${messageOf(error)}` });
		}
	}

	/** Reports a failed fan-out and tries it again later; the journal still has the events. */
	function fanOutFailed(error: unknown): void {
		say({ kind: "fault", message: `events could not be fanned out, which is tried again: ${messageOf(error)}` });
		failedAt = performance.now();
		retrying = setTimeout(() => {
			retrying = undefined;
			schedule();
		}, retryMs);
	}

	/** Fans out the next journal row; sets it aside after an error of its own. Returns false if there is no row. */
	function fanOutOne(): boolean {
		try {
			const done = transactions.savepoint(() => store.fanOut(Date.now()));
			fannedOut += done?.events ?? 0;
			if (done) discarded.push(...done.discarded);
			return done !== undefined;
		} catch (error) {
			if (isMachineError(error) || !transactions.isOpen()) throw error;
			const reason = batchFailure(error);
			store.setAside(reason);
			say({ kind: "fault", message: `a batch could not be fanned out and is set aside: ${reason}` });
			return true;
		}
	}

	/** Fans out journal rows, only a share of them while calls wait. The next commit includes the result. */
	function fanOut(): void {
		try {
			if (!transactions.isOpen()) transactions.begin();
			const rows = Math.ceil(store.waiting() * share);
			const since = performance.now();
			for (let done = 1; fanOutOne() && fannedOut < fanOutSize; done += 1) {
				if ((done >= rows || performance.now() - since > shareMs) && hasCalls()) break;
			}
		} catch (error) {
			transactions.rollback();
			fannedOut = 0;
			discarded = [];
			fanOutFailed(error);
		}
	}

	const mayFanOut = () => !retrying && store.waiting() > 0;

	function turn(): void {
		scheduled = false;
		if (hasCalls() || (transactions.isOpen() && (!mayFanOut() || fannedOut >= fanOutSize))) commit();
		if (isClosing) return void close();
		if (mayFanOut()) fanOut();
		if (transactions.isOpen() || calls.length > 0 || mayFanOut()) schedule();
	}

	function close(): void {
		clearTimeout(retrying);
		closeDatabase();
		port?.close();
	}

	function schedule(): void {
		if (scheduled) return;
		scheduled = true;
		setImmediate(turn);
	}

	function receive(message: Call[] | "close"): void {
		if (message === "close") isClosing = true;
		else calls.push(...message);
	}

	/** Receives messages without returning to the event loop, so that fan-out notices calls while it runs. */
	function hasCalls(): boolean {
		for (let next = port && receiveMessageOnPort(port); next; next = port && receiveMessageOnPort(port)) {
			receive(next.message);
		}
		return calls.length > 0 || isClosing;
	}

	port?.on("message", (message: Call[] | "close") => {
		receive(message);
		schedule();
	});
	schedule();
}

try {
	const { path, maxBytes } = workerData as StoreData;
	const { db, close } = await openDatabase(path);
	const onGivenWay = (message: string) => say({ kind: "fault", message });
	const store = createSqliteStore(db, { maxBytes, onGivenWay });
	store.recover(Date.now());
	say({ kind: "open" });
	collectOnce();
	serve(store, close);
} catch (error) {
	say({
		kind: "failed",
		message: isBusy(error)
			? `another process uses ${workerData.path}: stop it, or give this one a store of its own (--store sqlite:FILE)`
			: `${workerData.path} cannot be opened: ${messageOf(error)}`,
	});
}
