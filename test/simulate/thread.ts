/**
 * Loaded into the simulation by `--import`, and so into the store's thread too. There it replaces the clock by the
 * simulated one, and counts the thread's work in shared memory. The store's own code is unchanged.
 */
import { syncBuiltinESMExports } from "node:module";
import threads, { getEnvironmentData, isMainThread, parentPort } from "node:worker_threads";
import { done, ending, given, sharedIn, sharedKey } from "./shared.ts";

type Callback = (...args: unknown[]) => void;

function follow(port: NonNullable<typeof parentPort>, memory: SharedArrayBuffer): void {
	const { time, work } = sharedIn(memory);
	Date.now = () => time[0] ?? 0;
	performance.now = () => time[1] ?? 0;

	function finished(): void {
		Atomics.add(work, done, 1);
		Atomics.notify(work, done);
	}
	const counted =
		(callback: Callback): Callback =>
		(...args) => {
			try {
				callback(...args);
			} finally {
				finished();
			}
		};
	const { receiveMessageOnPort } = threads;
	threads.receiveMessageOnPort = (from) => {
		const received = receiveMessageOnPort(from);
		if (received) finished();
		return received;
	};
	// Make the replaced function visible to imports by name:
	// https://nodejs.org/api/module.html#modulesyncbuiltinesmexports
	syncBuiltinESMExports();
	const immediate = setImmediate;
	const later = (callback: Callback, ...args: unknown[]) => {
		Atomics.add(work, given, 1);
		return immediate(counted(callback), ...args);
	};
	globalThis.setImmediate = later as typeof setImmediate;
	const on = port.on.bind(port) as (name: string, listener: Callback) => typeof port;
	port.on = ((name: string, listener: Callback) => on(name, counted(listener))) as typeof port.on;
	const close = port.close.bind(port);
	port.close = () => {
		Atomics.store(work, ending, 1);
		close();
	};
}

if (!isMainThread && parentPort) {
	const memory = getEnvironmentData(sharedKey);
	if (memory instanceof SharedArrayBuffer) follow(parentPort, memory);
}
