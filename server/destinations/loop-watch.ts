/** Interval at which the loop is looked at, ms. */
const everyMs = 250;
/** Delay from which the loop counts as blocked, ms. */
const blockedMs = 1_000;

/** A fault of a destination's function, for the log. */
export type OwnFault =
	/** One of these destinations has blocked the loop. */
	| { kind: "blocked"; destinations: readonly string[]; ms: number }
	/** The function threw an error of this name, in a file at a line if that is known. */
	| { kind: "threw"; destination: string; error: string };
export type OnOwnFault = (fault: OwnFault) => void;

interface Call {
	name: string;
	onFault: OnOwnFault;
	startedAt: number;
	hasEnded: boolean;
}

/**
 * Finds out which destination's function blocks the loop. A function that blocks before it first waits is known for
 * sure. Later, it is one of those under way.
 */
function createLoopWatch() {
	const calls = new Set<Call>();
	let due = 0;
	let isArmed = false;

	function arm(): void {
		isArmed = true;
		due = performance.now() + everyMs;
		setTimeout(look, everyMs).unref();
	}

	function look(): void {
		const late = performance.now() - due;
		if (late > blockedMs) {
			const names = [...new Set([...calls].map(({ name }) => name))];
			for (const tell of new Set([...calls].map(({ onFault }) => onFault)))
				tell({ kind: "blocked", destinations: names, ms: Math.round(late) });
		}
		// A call that has ended since the last look may be why this one is late.
		for (const call of calls) if (call.hasEnded) calls.delete(call);
		isArmed = false;
		if (calls.size > 0) arm();
	}

	return (name: string, onFault: OnOwnFault) => {
		const call: Call = { name, onFault, startedAt: performance.now(), hasEnded: false };
		if (!isArmed) arm();
		calls.add(call);
		return {
			/** Notes that the function waits for the first time. */
			waits(): void {
				const ms = performance.now() - call.startedAt;
				if (ms <= blockedMs) return;
				onFault({ kind: "blocked", destinations: [name], ms: Math.round(ms) });
				due += ms;
			},
			/** Notes that the function is done, or is not waited for any more. */
			end(): void {
				call.hasEnded = true;
			},
		};
	};
}

/** Watches this process's loop while a destination's function runs. */
export const watchLoop = createLoopWatch();
