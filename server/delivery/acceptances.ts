/** Number of lanes refused, before any was accepted, from which a refusal is taken for one of the account. */
const lanesOfAccount = 30;

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
	return {
		accepted(purpose: string, lane: number, at: number): void {
			const others = (accepted.get(purpose) ?? []).filter((each) => each.lane !== lane);
			accepted.set(purpose, [{ lane, at }, ...others].slice(0, 2));
			refused.delete(purpose);
		},

		/** Records a refusal. Tells whether it seems to be of the account: many lanes were refused, and none accepted yet. */
		refused(purpose: string, lane: number): boolean {
			if (accepted.has(purpose)) return false;
			const lanes = refused.get(purpose) ?? new Set();
			refused.set(purpose, lanes);
			if (lanes.size < lanesOfAccount) lanes.add(lane);
			return lanes.size >= lanesOfAccount;
		},

		/** Tells whether a request of another lane with this purpose was accepted since a time. */
		hasOther: (purpose: string, lane: number, since: number): boolean =>
			(accepted.get(purpose) ?? []).some((each) => each.lane !== lane && each.at >= since),
	};
}
