/** Time of the database, ms since the epoch, that a statement has read between two times of this process. */
export interface Reading {
	time: number;
	start: number;
	end: number;
}

/** Returns how far the database's clock is ahead of this process's, ms; negative if behind. Assumes the least it can. */
export function aheadBy({ time, start, end }: Reading): number {
	return Math.max(0, time - end) + Math.min(0, time - start);
}

/**
 * Makes a clock that goes by the database's: it runs on by itself, and each reading corrects it as far as it must. So a
 * slow answer, which tells little, changes little. `elapsed` is a time that no setting of a clock changes, ms.
 */
export function createClock(elapsed: () => number) {
	let start = 0;
	let isSet = false;
	return {
		now: () => Math.floor(start + elapsed()),
		correct(reading: Reading): void {
			if (!isSet) start = reading.time - (reading.start + reading.end) / 2;
			isSet = true;
			start += aheadBy({ time: reading.time - start, start: reading.start, end: reading.end });
		},
	};
}
