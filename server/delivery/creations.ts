import { doubling } from "./backoff.ts";
import type { Context } from "./context.ts";
import type { CreationHold } from "./state.ts";

/** First and longest hold of creations, ms. */
const firstMs = 30_000;
const longestMs = 900_000;
/** Length of the first few holds, ms, if creations were accepted before: several people may be refused for themselves. */
const shortMs = 5_000;
const shortHolds = 10;
/** Longest attempt at a creation after a hold, ms. Other creations wait for its answer. */
const attemptMs = 15_000;
/** Time after which other creations ask for the answer to this attempt, ms. */
const askAgainMs = 1_000;
/** Number of refusals in a row, and of lanes among them, that show a missing right if creations were accepted before. */
const suspectRefusals = 10;
const suspectLanes = 3;

/**
 * Holds the requests that create profiles while the provider refuses just these, for lack of a right or because its plan
 * is full. Events of known people go on. Each process holds its own creations.
 */
export function createCreations({ now, notify }: Pick<Context, "now" | "notify">) {
	let hold: CreationHold | undefined;
	let holds = 0;
	/** Number of refusals since the last accepted creation, and their lanes. */
	let refusals = 0;
	const refusedLanes = new Set<number>();
	let hasAccepted = false;
	/** True while one creation is tried after a hold. */
	let isTrying = false;

	return {
		/** The hold, if creations are held. */
		hold: () => hold,

		/** Returns the time from which this creation may be tried; 0 for now. After a hold, one creation goes alone. */
		begin(): number {
			if (!hold) return 0;
			if (hold.until > now()) return isTrying ? now() + askAgainMs : hold.until;
			hold = { ...hold, until: now() + attemptMs };
			isTrying = true;
			return 0;
		},

		accepted(): void {
			hasAccepted = true;
			isTrying = false;
			refusals = 0;
			refusedLanes.clear();
			holds = 0;
			if (hold) notify({ kind: "creations", hold: undefined });
			hold = undefined;
		},

		/**
		 * Records a refused creation of a lane. Returns the hold, or undefined if the refusal seems to be of this person
		 * alone: creations were accepted before, and only few refused since.
		 */
		refused(lane: number, reason: string): CreationHold | undefined {
			refusals += 1;
			if (refusedLanes.size < suspectLanes) refusedLanes.add(lane);
			// Guard (SECURITY.md): creation-suspects
			const isOfPerson = refusals < suspectRefusals || refusedLanes.size < suspectLanes;
			if (hasAccepted && !hold && isOfPerson) return undefined;
			// The creation was begun before the hold.
			if (hold && !isTrying) return hold;
			isTrying = false;
			holds += 1;
			const isNew = hold === undefined;
			const short = doubling(Math.max(1, holds - shortHolds), shortMs, longestMs);
			hold = { reason, until: now() + (hasAccepted ? short : doubling(holds, firstMs, longestMs)) };
			if (isNew) notify({ kind: "creations", hold });
			return hold;
		},
	};
}
