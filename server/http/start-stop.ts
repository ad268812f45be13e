const graceDefaultMs = 10_000;

/**
 * Makes a start and a stop that can be called at any time. `open` resolves to the function that closes. A second start
 * waits for the first, a stop lets a start finish, and a start waits for a stop.
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
		stop(graceMs = graceDefaultMs): Promise<void> {
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
