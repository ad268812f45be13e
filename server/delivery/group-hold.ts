import type { Context } from "./context.ts";
import type { Hold } from "./hold.ts";
import { type Change, createStoredHold } from "./stored-hold.ts";

/** Longest hold, ms. A stored hold that lasts longer was written with a wrong clock. */
const longestMs = 86_400_000;

export type GroupHold = ReturnType<typeof createGroupHold>;

/**
 * Hold of a destination, shared by all processes on one store. `take` refuses leases to a process that does not know the
 * latest hold.
 */
export function createGroupHold(context: Context) {
	const { provider, now } = context;
	/** Time at which the hold ends at the latest, ms since the epoch; an operator's pause does not end. */
	let latest = now() + longestMs;
	/**
	 * True until this process changes the hold. A fresh process tries a paused destination at once, as it may have been
	 * restarted with better credentials.
	 */
	let isFresh = true;
	const { hold, change, isNews, stored, ...shared } = createStoredHold(context, () => {
		latest = now() + longestMs;
	});

	const isByOperator = () => hold().until() === Number.POSITIVE_INFINITY;

	async function enqueue(each: Change): Promise<boolean> {
		const changed = change(each);
		isFresh = false;
		return changed;
	}

	return {
		...shared,
		stored,
		state: () => hold().state(),
		/** Time from which requests may be sent, ms since the epoch; 0 if nothing holds them. */
		until(): number {
			if (isByOperator()) return hold().until();
			return isFresh && hold().state().kind === "paused" ? 0 : Math.min(hold().until(), latest);
		},
		probing: () => hold().probing(),
		/** Tells whether the hold is a pause that the provider's own probe ends. Without a probe, an event does. */
		isPaused: () => provider.probe !== undefined && hold().isPaused(),
		isSuspect: () => hold().isSuspect(),
		/** Resolves to whether this process sends the probe; otherwise another process does, or an operator forbids it. */
		async probe(): Promise<boolean> {
			const isOurs = await enqueue({ make: (next) => next.probe(now()), isProbe: false, once: true });
			return isOurs && !isByOperator();
		},
		/** Changes the hold by the answer to a request. Resolves once the change is stored. */
		async tell(make: (hold: Hold) => void, isProbe: boolean): Promise<void> {
			const each = { make, isProbe };
			if (shared.isChanging() || isNews(each)) await enqueue(each);
		},
		/** Changes the hold for an operator. Resolves to whether it is stored. Rejects if the store fails. */
		order: (make: (hold: Hold) => void): Promise<boolean> => enqueue({ make, isProbe: false, mayFail: true }),
	};
}
