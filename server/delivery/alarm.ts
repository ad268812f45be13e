/** Calls `ring` once after `ms`, unless the function it returns is called before. */
export type StartTimer = (ring: () => void, ms: number) => () => void;

const startSystemTimer: StartTimer = (ring, ms) => {
	const timer = setTimeout(ring, ms);
	return () => clearTimeout(timer);
};

/** Longest sleep, ms. */
const longestMs = 60_000;

/** Lets one loop sleep until a time or until it is woken. */
export function createAlarm(now: () => number, startTimer = startSystemTimer) {
	let isWoken = false;
	let ring = () => {};
	return {
		/** Ends the sleep under way. Without one, the next sleep ends at once. */
		wake(): void {
			if (isWoken) return;
			isWoken = true;
			ring();
		},

		/** Resolves at `until` (ms since the epoch), on `wake`, or after a minute, whichever comes first. */
		async sleep(until: number): Promise<void> {
			if (!isWoken) {
				const ms = Math.min(Math.max(until - now(), 0), longestMs);
				await new Promise<void>((done) => {
					const cancel = startTimer(done, ms);
					ring = () => {
						cancel();
						done();
					};
				});
			}
			isWoken = false;
		},
	};
}
