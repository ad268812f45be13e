/** Memory that the simulation shares with the store's thread. */
interface Shared {
	/** Time in ms: since the epoch, and since the start of the simulation. */
	time: Float64Array;
	/** Counters of work given to the thread and of work done, and 1 while the thread is ending. */
	work: Int32Array;
}

/** Key of the memory in the threads' environment data. */
export const sharedKey = "eventferry simulation";
/** Indices of the counters in `work`. */
export const given = 0;
export const done = 1;
export const ending = 2;

export const sharedMemory = (): SharedArrayBuffer => new SharedArrayBuffer(32);

export const sharedIn = (memory: SharedArrayBuffer): Shared => ({
	time: new Float64Array(memory, 0, 2),
	work: new Int32Array(memory, 16, 3),
});
