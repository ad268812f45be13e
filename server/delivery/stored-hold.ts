import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "./context.ts";
import { createHold, type Hold } from "./hold.ts";

/** Interval between two looks at the stored hold by a process that waits, ms. */
const readEveryMs = 2_000;

export interface Change {
	make(hold: Hold): void;
	/** True if the change follows from the answer to a probe. */
	isProbe: boolean;
	/** True to give up if another process has changed the hold meanwhile. */
	once?: boolean;
	/** True to reject if the store fails, rather than to try again. */
	mayFail?: boolean;
}

/** Hold in the store. Each change is compared and swapped, and made again if another process was quicker. */
export function createStoredHold(context: Context, onAccepted: () => void) {
	const { outbox, destination, provider, now, retryMs, signal, notify } = context;
	const { allowance } = provider;
	let stored: string | undefined;
	let hold = createHold(allowance);
	let changing: Promise<unknown> | undefined;
	let readAt = Number.NEGATIVE_INFINITY;

	function accept(found: string | undefined): void {
		const before = hold;
		stored = found;
		hold = createHold(allowance, stored);
		onAccepted();
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
				if (change.mayFail) throw error;
				notify({ kind: "fault", message: "the hold of the destination could not be stored", error });
				await delay(retryMs, undefined, { signal }).catch(() => {});
			}
		}
		return false;
	}

	/** Accepts a hold found in the store, if `before` is still the latest known here. */
	function seen(before: string | undefined, found: string | undefined): void {
		if (before === stored && found !== stored) accept(found);
	}

	return {
		hold: () => hold,
		/** Returns the hold as last seen in the store. */
		stored: () => stored,
		isChanging: () => changing !== undefined,
		/** Resolves once no change is under way. */
		async settled(): Promise<void> {
			while (changing) await changing;
		},
		seen,
		/** Tells whether a change would change the hold as it is known. */
		isNews: (change: Change): boolean => changedBy(change) !== stored,
		/** Makes a change once earlier ones are made. Resolves to whether it was made. */
		async change(change: Change): Promise<boolean> {
			while (changing) await changing;
			const swapping = swap(change).finally(() => {
				changing = undefined;
			});
			changing = swapping.catch(() => {});
			return swapping;
		},
		/**
		 * Reads the hold for a process that waits until a time, as it leases nothing and learns nothing by that. Resolves to
		 * the time of the next look. In a store of this process alone, the first reading is enough.
		 */
		async readWhileWaiting(until: number): Promise<number> {
			if (!outbox.isShared && Number.isFinite(readAt)) return until;
			const before = stored;
			if (now() - readAt >= readEveryMs) {
				readAt = now();
				seen(before, await outbox.holdOf(destination));
			}
			if (before !== stored) return now();
			return outbox.isShared ? Math.min(until, readAt + readEveryMs) : until;
		},
	};
}
