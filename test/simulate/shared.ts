/** What the simulation and the store's thread share. */
interface Shared {
	/** ms since the epoch, and since the simulation's start. */
	time: Float64Array;
	/** Work given to the thread, work it has done, and whether it is ending. */
	work: Int32Array;
}

/** Where a thread finds the memory among its environment data. */
export const sharedKey = "eventferry simulation";
export const given = 0;
export const done = 1;
export const ending = 2;

export const sharedMemory = (): SharedArrayBuffer => new SharedArrayBuffer(32);

export const sharedIn = (memory: SharedArrayBuffer): Shared => ({
	time: new Float64Array(memory, 0, 2),
	work: new Int32Array(memory, 16, 3),
});
