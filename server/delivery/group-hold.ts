import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "./context.ts";
import { createHold, type Hold } from "./hold.ts";

/** Longest hold, ms. A stored hold that lasts longer was written with a wrong clock. */
const longestMs = 86_400_000;

export type GroupHold = ReturnType<typeof createGroupHold>;

interface Change {
	make(hold: Hold): void;
	/** True if the change follows from the answer to a probe. */
	isProbe: boolean;
	/** True to give up if another process has changed the hold meanwhile. */
	once?: boolean;
}

/**
 * Hold of a destination, shared by all processes on one store. Each change is compared and swapped in the store, and
 * made again if another process was quicker. `take` refuses leases to a process that does not know the latest hold.
 */
export function createGroupHold({ outbox, destination, provider, now, retryMs, signal, notify }: Context) {
	const { allowance } = provider;
	let stored: string | undefined;
	let hold = createHold(allowance);
	/** Time at which the hold ends at the latest, ms since the epoch. */
	let latest = now() + longestMs;
	/**
	 * True until this process changes the hold. A fresh process tries a paused destination at once, as it may have been
	 * restarted with better credentials.
	 */
	let isFresh = true;
	let changing: Promise<unknown> | undefined;

	function accept(found: string | undefined): void {
		const before = hold;
		stored = found;
		hold = createHold(allowance, stored);
		latest = now() + longestMs;
		const state = hold.state();
		if (before.state().kind !== state.kind || before.holds() !== hold.holds()) notify({ kind: "state", state });
	}

	/** Makes a change of the known hold; returns the text to store. */
	function changedBy({ make, isProbe }: Change): string | undefined {
		const next = createHold(allowance, stored, isProbe);
		make(next);
		return next.stored();
	}

	/** Makes a change and stores it. Resolves to whether it was made. */
	async function swap(change: Change): Promise<boolean> {
		while (!signal.aborted) {
			const to = changedBy(change);
			if (to === stored) return true;
			try {
				const { changed, hold: found } = await outbox.hold({ destination, from: stored, to });
				accept(found);
				if (changed || change.once) return changed;
			} catch (error) {
				notify({ kind: "fault", message: "the hold of the destination could not be stored", error });
				await delay(retryMs, undefined, { signal }).catch(() => {});
			}
		}
		return false;
	}

	/** Makes a change once earlier ones are made. Resolves to whether it was made. */
	async function enqueue(change: Change): Promise<boolean> {
		while (changing) await changing;
		isFresh = false;
		const swapping = swap(change).finally(() => {
			changing = undefined;
		});
		changing = swapping;
		return swapping;
	}

	return {
		state: () => hold.state(),
		/** Time from which requests may be sent, ms since the epoch; 0 if nothing holds them. */
		until: () => (isFresh && hold.state().kind === "paused" ? 0 : Math.min(hold.until(), latest)),
		probing: () => hold.probing(),
		/** Tells whether the hold is a pause that the provider's own probe ends. Without a probe, an event does. */
		isPaused: () => provider.probe !== undefined && hold.isPaused(),
		isSuspect: () => hold.isSuspect(),
		/** Returns the hold as last seen in the store. */
		stored: () => stored,
		isChanging: () => changing !== undefined,
		/** Resolves once no change is under way. */
		async settled(): Promise<void> {
			while (changing) await changing;
		},
		/** Accepts a hold found in the store, if `before` is still the latest known here. */
		seen(before: string | undefined, found: string | undefined): void {
			if (before === stored && found !== stored) accept(found);
		},
		/** Resolves to whether this process sends the probe; otherwise another process does. */
		probe: (): Promise<boolean> => enqueue({ make: (next) => next.probe(now()), isProbe: false, once: true }),
		/** Changes the hold by the answer to a request. Resolves once the change is stored. */
		async tell(make: (hold: Hold) => void, isProbe: boolean): Promise<void> {
			const change = { make, isProbe };
			if (changing || changedBy(change) !== stored) await enqueue(change);
		},
	};
}
