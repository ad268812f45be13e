import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { OutcomeUnknownError, StoreOpenError, StoreUnavailableError } from "../errors.ts";
import { sealed } from "../journal-row.ts";
import { createListeners } from "../listeners.ts";
import type { Discarded, Outbox } from "../outbox.ts";
import { inSteps } from "../set-aside.ts";
import { inMemory } from "./database.ts";
import type { Step } from "./dead-letters.ts";
import { type Call, type Message, type Operations, remoteOperations, type StoreData } from "./operations.ts";

/** URL of the thread's file, which is TypeScript when run from source and JavaScript when built. */
const thread = new URL(`./thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/**
 * Flags of the store's thread; `undefined` inherits the flags of the process, such as `--import`. A thread that inherits
 * `--input-type` cannot load a file: https://nodejs.org/api/errors.html#err_input_type_not_allowed. It then gets no
 * flags, because a list of the others would be refused if it contained flags of V8.
 */
const execArgv = process.execArgv.some((flag) => flag.startsWith("--input-type")) ? [] : undefined;

/** Operations of deliveries, which can wait a little, as several requests are under way at a time. */
const unhurried: ReadonlySet<keyof Operations> = new Set(["settle", "take"]);

/** Operations whose callers must know whether a failed one may have changed the store. */
const changing: ReadonlySet<keyof Operations> = new Set([
	"append",
	"receive",
	"forget",
	"replayStep",
	"discardStep",
	"retrySetAside",
	"discardSetAside",
]);

interface Caller {
	name: keyof Operations;
	resolve(value: unknown): void;
	reject(error: Error): void;
}

/** Makes the error of a call that failed. */
function failureOf(message: string, name: keyof Operations, isUnknown = false, cause?: unknown): StoreUnavailableError {
	const Failure = isUnknown && changing.has(name) ? OutcomeUnknownError : StoreUnavailableError;
	return new Failure(message, { cause });
}

/**
 * Opens the embedded store: one SQLite file, in a thread of its own so that a slow disk never stalls HTTP. Rejects with
 * {@link StoreOpenError} if the folder is missing, another process has the file open, or its schema is newer. At
 * `maxBytes` in use, `append` rejects; the file grows a little more, as deliveries need some room.
 */
export async function openSqlite(file: string, { maxBytes }: { maxBytes?: number | undefined } = {}): Promise<Outbox> {
	const path = file === inMemory ? file : resolve(file);
	if (!existsSync(dirname(path))) throw new StoreOpenError(`the folder of the store does not exist: ${dirname(path)}`);
	const worker = new Worker(thread, { workerData: { path, maxBytes } satisfies StoreData, execArgv });
	const callers = new Map<number, Caller>();
	const ready = createListeners();
	const faults = createListeners<string>();
	const discarded = createListeners<Discarded[]>();
	let ended: Error | undefined;
	let lastId = 0;

	function receive(message: Message): void {
		if (message.kind === "fault") faults.tell(message.message);
		if (message.kind !== "committed") return;
		for (const answer of message.answers) {
			const caller = callers.get(answer.id);
			callers.delete(answer.id);
			if ("error" in answer) caller?.reject(failureOf(answer.error, caller.name, answer.isUnknown));
			else caller?.resolve(answer.value);
		}
		if (message.discarded.length > 0) discarded.tell(message.discarded);
		if (message.isReady) ready.tell();
		if (calls.length > 0) postSoon();
	}

	function end(message: string, cause?: unknown): void {
		ended ??= new StoreUnavailableError(message, { cause });
		for (const { name, reject } of callers.values()) reject(failureOf(message, name, true, cause));
		callers.clear();
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
			end("the store's thread ended", error);
		});
		worker.on("exit", () => end("the store is closed"));
	});

	let calls: Call[] = [];
	let isPosting = false;
	function post(): void {
		isPosting = false;
		if (calls.length === 0) return;
		if (!ended) worker.postMessage(calls);
		calls = [];
	}

	/** Posts the calls of one turn of the event loop together, those of several sockets too, so that they share a commit. */
	function postSoon(): void {
		if (isPosting) return;
		isPosting = true;
		setImmediate(post);
	}

	const ask = remoteOperations((name, args) => {
		if (ended) return Promise.reject(ended);
		return new Promise((resolve, reject) => {
			const id = ++lastId;
			calls.push({ id, name, args } as Call);
			// Each message wakes the thread. Calls of deliveries are posted when the thread has answered earlier calls.
			if (!unhurried.has(name) || callers.size < calls.length) postSoon();
			callers.set(id, { name, resolve, reject });
		});
	});

	/** Repeats a step until it is over, each in a transaction; resolves to the number of dead letters done. */
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
		// The bodies of the lease are left out, as they would be copied to the thread.
		settle: ({ lease: { destination, lane, number, person }, ...rest }) =>
			ask.settle({ lease: { destination, lane, number, person }, ...rest }),
		hold: ask.hold,
		holdOf: ask.holdOf,
		advance: ask.advance,
		budgetUse: ask.budgetUse,
		expire: ask.expire,
		receive: ask.receive,
		linked: ask.linked,
		link: ask.link,
		deadLetters: ask.deadLetters,
		replay: (selection, onProgress) => steps((from) => ask.replayStep(selection, from, Date.now()), onProgress),
		discard: (selection, onProgress) => steps((from) => ask.discardStep(selection, from), onProgress),
		listSetAside: ask.listSetAside,
		retrySetAside: ask.retrySetAside,
		discardSetAside: async (selection) => inSteps(await ask.chosenIds(selection), ask.discardSetAside),
		forget: ask.forget,
		findOwed: ask.findOwed,
		findEvents: ask.findEvents,
		stats: ask.stats,
		async sweep(limits) {
			while (await ask.sweep(limits));
		},
		check: ask.check,
		// No other process can open the file.
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
