import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { StoreOpenError, StoreUnavailableError } from "../errors.ts";
import { sealed } from "../journal-row.ts";
import { createListeners } from "../listeners.ts";
import type { Discarded, Outbox } from "../outbox.ts";
import type { Step } from "./dead-letters.ts";
import { askedBy, type Call, type Message, type Operations, type StoreData } from "./operations.ts";

/** Run from source there is only the TypeScript file, built there is only the JavaScript one. */
const thread = new URL(`./thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/**
 * Flags of the store's thread: `undefined` inherits those of the process, such as `--import`. With `--input-type`, which
 * is for a program given as text, Node loads no file; the thread then gets no flags at all, as it refuses some (V8's)
 * that are named one by one: https://nodejs.org/api/errors.html#err_input_type_not_allowed
 */
const execArgv = process.execArgv.some((flag) => flag.startsWith("--input-type")) ? [] : undefined;

/** What deliveries ask, which have requests under way meanwhile. */
const unhurried: ReadonlySet<keyof Operations> = new Set(["settle", "take"]);

/** SQLite's own name for a database that is in no file, and gone when it is closed. */
const inMemory = ":memory:";

/**
 * Opens the embedded store: one SQLite file, in a thread of its own so that a slow disk never stalls HTTP.
 * Rejects with {@link StoreOpenError} when the folder is missing, another process has the file, or its
 * schema is newer than this version. Past `maxBytes` in use it takes no more events until there is room again; what
 * is stored then still needs some to be delivered, so the file grows a little over it.
 */
export async function openSqlite(file: string, { maxBytes }: { maxBytes?: number | undefined } = {}): Promise<Outbox> {
	const path = file === inMemory ? file : resolve(file);
	if (!existsSync(dirname(path))) throw new StoreOpenError(`the folder of the store does not exist: ${dirname(path)}`);
	const worker = new Worker(thread, { workerData: { path, maxBytes } satisfies StoreData, execArgv });
	const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
	const ready = createListeners();
	const faults = createListeners<string>();
	const discarded = createListeners<Discarded[]>();
	let ended: Error | undefined;
	let lastId = 0;

	function receive(message: Message): void {
		if (message.kind === "fault") faults.tell(message.message);
		if (message.kind !== "committed") return;
		for (const answer of message.answers) {
			const caller = waiting.get(answer.id);
			waiting.delete(answer.id);
			if ("error" in answer) caller?.reject(new StoreUnavailableError(answer.error));
			else caller?.resolve(answer.value);
		}
		if (message.discarded.length > 0) discarded.tell(message.discarded);
		if (message.isReady) ready.tell();
		if (calls.length > 0) postSoon();
	}

	function end(error: Error): void {
		ended ??= error;
		for (const { reject } of waiting.values()) reject(ended);
		waiting.clear();
	}

	const exited = new Promise<void>((done) => worker.once("exit", () => done()));
	await new Promise<void>((opened, failed) => {
		worker.on("message", (message: Message) => {
			if (message.kind === "open") opened();
			else if (message.kind === "failed") failed(new StoreOpenError(message.message));
			else receive(message);
		});
		worker.on("error", (error) => {
			failed(error);
			end(new StoreUnavailableError("the store's thread ended", { cause: error }));
		});
		worker.on("exit", () => end(new StoreUnavailableError("the store is closed")));
	});

	let calls: Call[] = [];
	let isPosting = false;
	function post(): void {
		isPosting = false;
		if (calls.length === 0) return;
		if (!ended) worker.postMessage(calls);
		calls = [];
	}

	/** What is asked in one go, as to settle a lane and to take the next, goes together: so it shares a commit. */
	function postSoon(): void {
		if (isPosting) return;
		isPosting = true;
		process.nextTick(post);
	}

	const ask = askedBy((name, args) => {
		if (ended) return Promise.reject(ended);
		return new Promise((resolve, reject) => {
			const id = ++lastId;
			calls.push({ id, name, args } as Call);
			// Each message wakes the thread: what nobody waits for may as well go when it has answered what it was asked before.
			if (!unhurried.has(name) || waiting.size < calls.length) postSoon();
			waiting.set(id, { resolve, reject });
		});
	});

	/** Takes step after step, each a transaction of its own; resolves to how many were chosen. */
	async function steps(take: (from: Step | undefined) => Promise<Step>, onProgress: (done: number) => void = () => {}) {
		let step: Step | undefined;
		do {
			step = await take(step);
			onProgress(step.done);
		} while (!step.isOver);
		return step.done;
	}

	return {
		append: async (batch) => ask.append(sealed(batch)),
		take: ask.take,
		// Not the bodies of the lease: they would be copied back.
		settle: ({ lease: { destination, lane, number, person }, ...rest }) =>
			ask.settle({ lease: { destination, lane, number, person }, ...rest }),
		hold: ask.hold,
		advance: ask.advance,
		budgetUse: ask.budgetUse,
		expire: ask.expire,
		receive: ask.receive,
		linked: ask.linked,
		deadLetters: ask.deadLetters,
		replay: (selection, onProgress) => steps((from) => ask.replayStep(selection, from, Date.now()), onProgress),
		discard: (selection, onProgress) => steps((from) => ask.discardStep(selection, from), onProgress),
		forget: ask.forget,
		findOwed: ask.findOwed,
		findEvents: ask.findEvents,
		stats: ask.stats,
		async sweep(limits) {
			while (await ask.sweep(limits));
		},
		check: ask.check,
		// Whoever has the file is alone with it.
		isHeld: () => true,
		isShared: false,
		onReady: ready.add,
		onFault: faults.add,
		onDiscarded: discarded.add,
		async close() {
			if (calls.length > 0) post();
			if (!ended) worker.postMessage("close");
			await exited;
		},
	};
}
