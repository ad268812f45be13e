import { syncBuiltinESMExports } from "node:module";
import { performance } from "node:perf_hooks";
import promises from "node:timers/promises";
import threads, { setEnvironmentData, Worker } from "node:worker_threads";
import { withGlobal } from "@sinonjs/fake-timers";
import { done, ending, given, sharedIn, sharedKey, sharedMemory } from "./shared.ts";

export interface SimulatedClock {
	/** ms since the epoch. */
	now(): number;
	/** Resolves after so many simulated ms. */
	sleep(ms: number): Promise<void>;
	/** Keeps time from moving on until this has settled, which must not take simulated time: a busy machine may keep it waiting. */
	during<Result>(work: Promise<Result>): Promise<Result>;
	/** Lets time pass until then: from timer to timer, each once everything that the last set off has come to rest. */
	runUntil(at: number): Promise<void>;
	/** How often time has moved on. */
	steps(): number;
}

const immediate = setImmediate;
/** Event loop turns without any event after which nothing more is under way on this thread. */
const quietTurns = 2;
/** The store's thread is waited for in slices of so many real ms. */
const waitMs = 5;
/** What goes on for so many real ns without an end hangs. */
const restNs = 60_000_000_000n;

const eventsSeen = () =>
	(performance as unknown as { nodeTiming: { uvMetricsInfo: { events: number } } }).nodeTiming.uvMetricsInfo.events;

/**
 * Puts a simulated clock in the place of the real one, for this thread and the store's: `Date`, timers, `performance.now`
 * and `AbortSignal.timeout`. Node's own parts keep the real one, so sockets, files and SQLite work as ever and take no
 * simulated time. Must be called before anything else is imported that takes timers by name.
 */
export function installClock(startAt: number): SimulatedClock {
	const memory = sharedMemory();
	const { time, work } = sharedIn(memory);
	setEnvironmentData(sharedKey, memory as never);
	const real = { Date, setTimeout, clearTimeout, setInterval, clearInterval };
	const clock = withGlobal(real as never).createClock(startAt, Number.POSITIVE_INFINITY);
	let steps = 0;
	/** What is under way and takes no simulated time. */
	let under = 0;

	function follow(): void {
		time[0] = clock.now;
		time[1] = clock.now - startAt;
	}
	follow();
	const sleep = (ms: number) => new Promise<void>((resolve) => void clock.setTimeout(() => resolve(), ms));
	const {
		Date: SimulatedDate,
		setTimeout: later,
		clearTimeout: notLater,
		setInterval: each,
		clearInterval: noMore,
	} = clock;
	Object.assign(globalThis, {
		Date: SimulatedDate,
		setTimeout: later,
		clearTimeout: notLater,
		setInterval: each,
		clearInterval: noMore,
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
				// What was said to it as it ended nobody will hear.
				Atomics.store(work, done, Atomics.load(work, given));
			});
		}
		override postMessage(...args: Parameters<Worker["postMessage"]>): void {
			Atomics.add(work, given, 1);
			super.postMessage(...args);
		}
	};
	syncBuiltinESMExports();

	/** Resolves once nothing is under way: no request, on this thread no event for some turns, on the store's no work left. */
	async function rest(): Promise<void> {
		let seen = eventsSeen();
		const began = process.hrtime.bigint();
		for (let quiet = 0; quiet < quietTurns; ) {
			if (process.hrtime.bigint() - began > restNs)
				throw new Error(`there is no rest: work ${work} of the store's thread, ${under} requests`);
			// The thread first: whatever it has said before it came to rest, the next turns hear.
			const finished = Atomics.load(work, done);
			const isIdle = Atomics.load(work, given) === finished && Atomics.load(work, ending) === 0 && under === 0;
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
			under += 1;
			return work.finally(() => {
				under -= 1;
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
