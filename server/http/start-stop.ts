const graceDefault = 10_000;

/**
 * Turns `open`, which resolves to the way to close, into a start and a stop that can be called at any time: a second
 * start waits for the first, a stop lets a start finish, and a start waits for a stop.
 */
export function createStartStop(open: () => Promise<(graceMs: number) => Promise<void>>) {
	let started: ReturnType<typeof open> | undefined;
	let stopped = Promise.resolve();
	return {
		async start(): Promise<void> {
			started ??= stopped.then(open);
			const current = started;
			try {
				await current;
			} catch (error) {
				if (started === current) started = undefined;
				throw error;
			}
		},
		stop(graceMs = graceDefault): Promise<void> {
			const current = started;
			started = undefined;
			if (current) {
				stopped = current.then(
					(close) => close(graceMs),
					() => {},
				);
			}
			return stopped;
		},
	};
}
