import { syncBuiltinESMExports } from "node:module";
import { performance } from "node:perf_hooks";
import promises from "node:timers/promises";
import threads, { setEnvironmentData, Worker } from "node:worker_threads";
import { withGlobal } from "@sinonjs/fake-timers";
import { done, ending, given, sharedIn, sharedKey, sharedMemory } from "./shared.ts";

export interface SimulatedClock {
	/** Simulated time, in ms since the epoch. */
	now(): number;
	/** Resolves after `ms` of simulated time. */
	sleep(ms: number): Promise<void>;
	/** Stops simulated time until `work` settles, which must not depend on a simulated timer. */
	during<Result>(work: Promise<Result>): Promise<Result>;
	/** Advances time to `at`, from timer to timer. The next timer fires once all work of the last one is at rest. */
	runUntil(at: number): Promise<void>;
	/** Number of times that time has advanced. */
	steps(): number;
}

const immediate = setImmediate;
/** Number of event loop turns without an event after which this thread is at rest. */
const quietTurns = 2;
/** Longest single wait for the store's thread, in real ms. */
const waitMs = 5;
/** Time without rest after which the simulation counts as hung, in real ns. */
const restNs = 60_000_000_000n;

/**
 * Number of events that this thread's event loop has processed:
 * https://nodejs.org/api/perf_hooks.html#performancenodetiminguvmetricsinfo
 */
const eventsSeen = () =>
	(performance as unknown as { nodeTiming: { uvMetricsInfo: { events: number } } }).nodeTiming.uvMetricsInfo.events;

/**
 * Replaces the real clock by a simulated one in this thread and the store's: `Date`, timers, `performance.now` and
 * `AbortSignal.timeout`. Node's internals keep the real clock, so sockets, files and SQLite work as usual and take no
 * simulated time. Call this before importing a module that imports timers by name.
 */
export function installClock(startAt: number): SimulatedClock {
	const memory = sharedMemory();
	const { time, work } = sharedIn(memory);
	setEnvironmentData(sharedKey, memory as never);
	const real = { Date, setTimeout, clearTimeout, setInterval, clearInterval };
	const clock = withGlobal(real as never).createClock(startAt, Number.POSITIVE_INFINITY);
	let steps = 0;
	/** Number of calls of `during` under way. */
	let underWay = 0;

	function follow(): void {
		time[0] = clock.now;
		time[1] = clock.now - startAt;
	}
	follow();
	const sleep = (ms: number) => new Promise<void>((resolve) => void clock.setTimeout(() => resolve(), ms));
	Object.assign(globalThis, {
		Date: clock.Date,
		setTimeout: clock.setTimeout,
		clearTimeout: clock.clearTimeout,
		setInterval: clock.setInterval,
		clearInterval: clock.clearInterval,
	});
	performance.now = () => clock.now - startAt;
	AbortSignal.timeout = (ms) => {
		const controller = new AbortController();
		clock.setTimeout(() => controller.abort(new DOMException("timed out", "TimeoutError")), ms);
		return controller.signal;
	};
	promises.setTimeout = ((ms = 0, value?: unknown, { signal }: { signal?: AbortSignal } = {}) =>
		new Promise<unknown>((resolve, reject) => {
			const timer = clock.setTimeout(() => resolve(value), ms);
			const abort = () => {
				clock.clearTimeout(timer);
				reject(signal?.reason);
			};
			if (signal?.aborted) abort();
			else signal?.addEventListener("abort", abort, { once: true });
		})) as typeof promises.setTimeout;

	threads.Worker = class extends Worker {
		constructor(...args: ConstructorParameters<typeof Worker>) {
			super(...args);
			Atomics.add(work, given, 1);
			this.once("message", () => Atomics.add(work, done, 1));
			this.once("exit", () => {
				Atomics.store(work, ending, 0);
				// Messages to an ended thread are never handled, so count all as done.
				Atomics.store(work, done, Atomics.load(work, given));
			});
		}
		override postMessage(...args: Parameters<Worker["postMessage"]>): void {
			Atomics.add(work, given, 1);
			super.postMessage(...args);
		}
	};
	// Make the replaced functions visible to imports by name:
	// https://nodejs.org/api/module.html#modulesyncbuiltinesmexports
	syncBuiltinESMExports();

	/** Resolves once no request is under way, this thread had no event for some turns, and the store's thread is idle. */
	async function rest(): Promise<void> {
		let seen = eventsSeen();
		const began = process.hrtime.bigint();
		for (let quiet = 0; quiet < quietTurns; ) {
			if (process.hrtime.bigint() - began > restNs)
				throw new Error(`the simulation hangs: ${underWay} requests under way, counters of the store's thread ${work}`);
			// Read the store's thread first, so that the next turns receive all messages it sent before it came to rest.
			const finished = Atomics.load(work, done);
			const isIdle = Atomics.load(work, given) === finished && Atomics.load(work, ending) === 0 && underWay === 0;
			await new Promise((turned) => immediate(turned));
			const now = eventsSeen();
			const isQuiet = now === seen;
			seen = now;
			if (isQuiet && !isIdle) Atomics.wait(work, done, finished, waitMs);
			quiet = isQuiet && isIdle ? quiet + 1 : 0;
		}
	}

	return {
		now: () => clock.now,
		sleep,
		during(work) {
			underWay += 1;
			return work.finally(() => {
				underWay -= 1;
			});
		},
		steps: () => steps,
		async runUntil(at) {
			await rest();
			let isOver = false;
			clock.setTimeout(() => {
				isOver = true;
			}, at - clock.now);
			while (!isOver) {
				clock.next();
				follow();
				steps += 1;
				await rest();
			}
		},
	};
}
