import type { Lane } from "./lane.ts";
import type { Settlement } from "./lease.ts";

/**
 * Applies a settlement to a lane. After deliveries have ended `lane` must be the rest of it, untried; the request sent
 * and `narrowTo` concerned the deliveries that have ended, and are not applied then.
 */
export function settledLane<Kept extends Lane>(
	lane: Kept,
	{ ended, failed, narrowTo, sent, now }: Omit<Settlement, "lease">,
): Kept {
	const requests = lane.requests + (sent ? 1 : 0);
	const counted = ended ? lane : { ...lane, requests, shown: narrowTo ?? lane.shown };
	if (!failed) return { ...counted, dueAt: 0 };
	return {
		...counted,
		dueAt: failed.dueAt,
		attempts: lane.attempts + 1,
		unreadable: lane.unreadable + (failed.unreadable ? 1 : 0),
		failingSince: lane.failingSince ?? now,
	};
}
