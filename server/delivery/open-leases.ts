import type { Lease } from "../outbox/outbox.ts";
import type { Leased } from "./leased.ts";

/** Number of slots of one destination. Each is for one request at a time, and each request for a different lane. */
const concurrency = 4;
/** Duration from which a request is slow, ms. A slow request leaves its slot to another one. */
// Guard (SECURITY.md): slow-slots
const slowMs = 1_000;
/** Maximum number of requests under way, slow ones included. */
const underWayMost = 32;
/** Maximum number of requests under way up to which others than the backend's events may begin. */
const visitorsMost = underWayMost - concurrency;
/** Maximum number of requests under way for lanes that have failed before. */
const retriedMost = underWayMost / 2;
/** Maximum number of requests in slots plus settlements not on disk yet. A crash repeats these and the slow requests. */
const unsettledMost = 2 * concurrency;
/** Maximum number of lanes leased before their requests may begin, so that none waits for a take. */
const aheadMost = 4;
/** The same for a shared store, where a take of several lanes costs little more. 0 while other proxies may lack lanes. */
const aheadMostShared = 16;

export type OpenLeases = ReturnType<typeof createOpenLeases>;

/** Keeps the leases of one destination and tells how many requests may begin and how many lanes may be leased. */
export function createOpenLeases({ isShared, now }: { isShared: boolean; now(): number }) {
	const leased = new Set<Leased>();

	/** Counts the leases by stage, and the requests in slots, which are not slow yet. */
	function counts() {
		const at = now();
		let [ahead, aheadForBackend, busy, inSlots, settling] = [0, 0, 0, 0, 0];
		for (const { stage, reservedOnly, since } of leased) {
			if (stage === "settling") settling += 1;
			if (stage === "ahead") ahead += 1;
			if (stage === "ahead" && reservedOnly) aheadForBackend += 1;
			if (stage === "busy") busy += 1;
			if (stage === "busy" && at < since + slowMs) inSlots += 1;
		}
		const isCrowded = busy >= visitorsMost;
		return { ahead: isCrowded ? aheadForBackend : ahead, busy, inSlots, settling, isCrowded };
	}

	/** Counts the slots in which a request may begin. A probe goes alone. */
	function free({ busy, inSlots, isCrowded }: ReturnType<typeof counts>, isProbing: boolean): number {
		const most = isCrowded ? underWayMost : visitorsMost;
		return Math.max(0, Math.min((isProbing ? 1 : concurrency) - inSlots, most - busy));
	}

	return {
		add(lease: Lease, reservedOnly: boolean): void {
			leased.add({ lease, reservedOnly, stage: "ahead", since: 0 });
		},

		begin(each: Leased): void {
			each.stage = "busy";
			each.since = now();
		},

		remove(each: Leased): void {
			leased.delete(each);
		},

		all: (): Leased[] => [...leased],

		/** Counts the leases in stage `ahead` whose requests need only a slot. */
		ahead: () => counts().ahead,

		/** Tells whether slow requests are so many that only the backend's events may begin. */
		isCrowded: () => counts().isCrowded,

		/** Tells whether a lane may be tried, or must wait because too many others are being tried again. */
		mayTry({ attempts }: Lease): boolean {
			if (attempts === 0) return true;
			let retried = 0;
			for (const { stage, lease } of leased) if (stage === "busy" && lease.attempts > 0) retried += 1;
			return retried < retriedMost;
		},

		/** Finds the lease whose request may begin next. */
		next(isProbing: boolean): Leased | undefined {
			const current = counts();
			if (free(current, isProbing) === 0 || current.inSlots + current.settling >= unsettledMost) return undefined;
			for (const each of leased) if (each.stage === "ahead" && (each.reservedOnly || !current.isCrowded)) return each;
			return undefined;
		},

		/** Counts the lanes that may be leased now. `isMore` tells that more were ready at the last take. */
		room(isProbing: boolean, isMore = false): number {
			const current = counts();
			const ahead = isShared ? (isMore ? aheadMostShared : 0) : aheadMost;
			// Several lanes are leased at a time rather than one by one.
			if (current.ahead > ahead / 2) return 0;
			return Math.max(0, free(current, isProbing) + (isProbing ? 0 : ahead) - current.ahead);
		},

		/** Returns the time at which the next request becomes slow; never if no slot is in use. */
		slowAt(): number {
			const at = now();
			let next = Number.POSITIVE_INFINITY;
			for (const { stage, since } of leased)
				if (stage === "busy" && at < since + slowMs) next = Math.min(next, since + slowMs);
			return next;
		},
	};
}
