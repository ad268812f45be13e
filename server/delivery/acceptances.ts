/** Number of lanes refused, before any was accepted, from which a refusal is taken for one of the account. */
const lanesOfAccount = 30;
/** Number of people refused in a row from which, without a probe, a refusal is taken for one of the account. */
const peopleOfAccount = 3;
/** Maximum number of lanes that are remembered as limited. */
const limitedMost = 1_000;

interface Accepted {
	lane: number;
	/** Time of the lane's last accepted request, ms since the epoch. */
	at: number;
}

/**
 * Remembers for each purpose of requests the last two lanes that were accepted, and the lanes refused before. That tells
 * a refusal of one event from a missing right, which the provider's probe may not need.
 */
export function createAcceptances() {
	const accepted = new Map<string, Accepted[]>();
	const refused = new Map<string, Set<number>>();
	/** People refused since a request was last accepted, up to three. */
	const refusedInTurn = new Set<string>();
	/** People among them who have let others go first since the last refusal. */
	const yielded = new Set<string>();
	/** Times at which lanes met a limit that was not known to be theirs alone. */
	const limited = new Map<number, number>();
	/** Lanes that met a limit of their own since a request was last accepted. */
	const limitedInTurn = new Set<number>();
	/** True once a limit was found to be of one lane, until one is found to be of the destination. */
	let areLimitsOfLanes = false;

	/** Tells whether a request of another lane with this purpose was accepted since a time. */
	const hasOther = (purpose: string, lane: number, since: number): boolean =>
		(accepted.get(purpose) ?? []).some((each) => each.lane !== lane && each.at >= since);

	return {
		accepted(purpose: string, lane: number, at: number): void {
			const others = (accepted.get(purpose) ?? []).filter((each) => each.lane !== lane);
			accepted.set(purpose, [{ lane, at }, ...others].slice(0, 2));
			refused.delete(purpose);
			limited.delete(lane);
			limitedInTurn.clear();
			refusedInTurn.clear();
		},

		/** Records a refusal. Tells whether it seems to be of the account: many lanes were refused, and none accepted yet. */
		refused(purpose: string, lane: number): boolean {
			if (accepted.has(purpose)) return false;
			const lanes = refused.get(purpose) ?? new Set();
			refused.set(purpose, lanes);
			if (lanes.size < lanesOfAccount) lanes.add(lane);
			return lanes.size >= lanesOfAccount;
		},

		/** Records a refusal where no probe can tell. Tells whether it seems to be of the account: three people met it. */
		refusedPerson(person: string): boolean {
			yielded.clear();
			if (refusedInTurn.size < peopleOfAccount) refusedInTurn.add(person);
			return refusedInTurn.size >= peopleOfAccount;
		},

		/** Tells whether a person was refused lately, so that another one is tried first. True once after each refusal. */
		yields(person: string): boolean {
			const isTurnOfOthers = refusedInTurn.has(person) && !yielded.has(person);
			if (isTurnOfOthers) yielded.add(person);
			return isTurnOfOthers;
		},

		hasOther,

		/**
		 * Tells whether a limit may be of this lane alone: the lane has met one before, and others were accepted since. If
		 * the answer names no time, it is enough that a wait has just ended, or that the last limit was of one lane.
		 */
		mayBeOfLane(
			purpose: string,
			lane: number,
			{ isAfterWait, hasTime }: { isAfterWait: boolean; hasTime: boolean },
		): boolean {
			const before = limited.get(lane);
			if (before !== undefined && hasOther(purpose, lane, before)) return true;
			return !hasTime && (isAfterWait || areLimitsOfLanes);
		},

		/**
		 * Records a limit, and whether the provider's probe shows it to be of this lane alone. Returns false if it is taken
		 * for one of the destination: the probe failed, or many lanes met one, and none was accepted in between.
		 */
		isLimitOfLane(lane: number, isWell: boolean, at: number): boolean {
			if (isWell) limitedInTurn.add(lane);
			areLimitsOfLanes = isWell && limitedInTurn.size < lanesOfAccount;
			if (areLimitsOfLanes) return true;
			limitedInTurn.clear();
			if (limited.size >= limitedMost) limited.clear();
			limited.set(lane, at);
			return false;
		},
	};
}
