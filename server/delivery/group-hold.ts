import { setTimeout as delay } from "node:timers/promises";
import type { Destination, Outbox } from "../outbox/outbox.ts";
import type { Allowance } from "../providers/provider.ts";
import { createHold, type DestinationState, type Hold } from "./hold.ts";

interface GroupHoldOptions {
	outbox: Outbox;
	destination: Destination;
	allowance: Allowance;
	now(): number;
	/** How soon a store that could not be reached is tried again, ms. */
	retryMs: number;
	/** Ends the trying. */
	signal: AbortSignal;
	/** The destination is held, held longer, or runs again. */
	onState(state: DestinationState): void;
	onFault(error: unknown): void;
}

/** No hold lasts longer; what says more was written with a wrong clock. */
const longestMs = 86_400_000;

export type GroupHold = ReturnType<typeof createGroupHold>;

/**
 * What holds a destination, for all that share a store: each change replaces what the store has, and is
 * made anew where another was quicker. `take` gives nothing to whoever does not know of the latest.
 */
export function createGroupHold({
	outbox,
	destination,
	allowance,
	now,
	retryMs,
	signal,
	onState,
	onFault,
}: GroupHoldOptions) {
	let stored: string | undefined;
	let hold = createHold(allowance);
	let latest = now() + longestMs;
	/** Nothing of this process's own was changed yet: what paused another one may have been mended for this one's start. */
	let isFresh = true;
	let changing: Promise<unknown> | undefined;

	function accept(found: string | undefined): void {
		const before = hold;
		stored = found;
		hold = createHold(allowance, stored);
		latest = now() + longestMs;
		if (before.state().kind !== hold.state().kind || before.holds() !== hold.holds()) onState(hold.state());
	}

	/** Makes a change, whatever others make meanwhile; resolves to whether the change was made to what was known before. */
	async function swap(change: (hold: Hold) => void, isProbe: boolean, once: boolean): Promise<boolean> {
		while (!signal.aborted) {
			const next = createHold(allowance, stored, isProbe);
			change(next);
			if (next.stored() === stored) return true;
			try {
				const { changed, hold: found } = await outbox.hold({ destination, from: stored, to: next.stored() });
				accept(found);
				if (changed || once) return changed;
			} catch (error) {
				onFault(error);
				await delay(retryMs, undefined, { signal }).catch(() => {});
			}
		}
		return false;
	}

	/** One change at a time. */
	async function inTurn(change: (hold: Hold) => void, isProbe: boolean, once = false): Promise<boolean> {
		while (changing) await changing;
		isFresh = false;
		const swapping = swap(change, isProbe, once).finally(() => {
			changing = undefined;
		});
		changing = swapping;
		return swapping;
	}

	return {
		state: () => hold.state(),
		/** When requests may go again; 0 when they may now. */
		until: () => (isFresh && hold.state().kind === "paused" ? 0 : Math.min(hold.until(), latest)),
		/** Whether the next request is to go alone. */
		probing: () => hold.probing(),
		/** What the store has, as far as is known here. */
		stored: () => stored,
		isChanging: () => changing !== undefined,
		/** Resolves once no change is under way. */
		async settled(): Promise<void> {
			while (changing) await changing;
		},
		/** Another has changed what was known here. */
		seen(known: string | undefined, found: string | undefined): void {
			if (known === stored && found !== stored) accept(found);
		},
		/** Resolves to whether this process sends the probe; if not, another does. */
		probe: (): Promise<boolean> => inTurn((next) => next.probe(now()), false, true),
		/** Tells what came of a request; resolves once all are told. */
		async tell(change: (hold: Hold) => void, isProbe: boolean): Promise<void> {
			if (!changing) {
				const next = createHold(allowance, stored, isProbe);
				change(next);
				if (next.stored() === stored) return;
			}
			await inTurn(change, isProbe);
		},
	};
}
