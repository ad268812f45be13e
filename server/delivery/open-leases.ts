import type { Lease } from "../outbox/outbox.ts";

/** Number of slots of one destination. Each is for one request at a time, and each request for a different lane. */
const concurrency = 4;
/** Duration from which a request is slow, ms. A slow request leaves its slot to another one. */
// Guard (SECURITY.md): slow-slots
const slowMs = 250;
/** Maximum number of requests under way, slow ones included. */
const underWayMost = 32;
/** Maximum number of requests under way up to which others than the backend's events may begin. */
const visitorsMost = underWayMost - concurrency;
/** Maximum number of requests under way for lanes that have failed before. */
const retriedMost = underWayMost / 2;
/** Maximum number of requests in slots plus settlements not on disk yet. A crash repeats these and the slow requests. */
const unsettledMost = 2 * concurrency;
/** Maximum number of lanes leased before their requests may begin, so that none waits for a take. 0 if shared. */
const aheadMost = 4;

/**
 * A lane under lease, in one of four stages:
 *
 *     ahead ──▶ busy ──▶ settling ──▶ removed
 *       └─────▶ returning ──────────────▲
 *
 * - `ahead`: leased, request not begun
 * - `busy`: request being planned or sent
 * - `settling`: request answered, settlement not on disk yet
 * - `returning`: given back without a request, not on disk yet
 */
export interface Leased {
	readonly lease: Lease;
	/** True if only lanes of the backend's events were leased. */
	readonly reservedOnly: boolean;
	stage: "ahead" | "busy" | "settling" | "returning";
	/** Time at which the stage `busy` began. */
	since: number;
	/** Resolves once the lease is settled. Absent while `ahead`. */
	done?: Promise<void>;
}

export type OpenLeases = ReturnType<typeof createOpenLeases>;

/** Keeps the leases of one destination and tells how many requests may begin and how many lanes may be leased. */
export function createOpenLeases({ isShared, now }: { isShared: boolean; now(): number }) {
	const leased = new Set<Leased>();

	const isBusy = ({ stage }: Leased) => stage === "busy";
	const isInSlot = (each: Leased) => isBusy(each) && now() < each.since + slowMs;

	function count(isCounted: (each: Leased) => boolean): number {
		let count = 0;
		for (const each of leased) if (isCounted(each)) count += 1;
		return count;
	}

	const settling = () => count(({ stage }) => stage === "settling");
	const isCrowded = () => count(isBusy) >= visitorsMost;

	/** Counts the leases in stage `ahead` whose requests need only a slot. */
	function ahead(): number {
		const isForBackend = isCrowded();
		return count(({ stage, reservedOnly }) => stage === "ahead" && (reservedOnly || !isForBackend));
	}

	/** Counts the slots in which a request may begin. A probe goes alone. */
	function free(isProbing: boolean): number {
		const most = isCrowded() ? underWayMost : visitorsMost;
		return Math.max(0, Math.min((isProbing ? 1 : concurrency) - count(isInSlot), most - count(isBusy)));
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
		ahead,

		/** Tells whether slow requests are so many that only the backend's events may begin. */
		isCrowded,

		/** Tells whether a lane may be tried, or must wait because too many others are being tried again. */
		mayTry: ({ attempts }: Lease): boolean =>
			attempts === 0 || count((each) => isBusy(each) && each.lease.attempts > 0) < retriedMost,

		/** Finds the lease whose request may begin next. */
		next(isProbing: boolean): Leased | undefined {
			if (free(isProbing) === 0 || count(isInSlot) + settling() >= unsettledMost) return undefined;
			const isForBackend = isCrowded();
			for (const each of leased) if (each.stage === "ahead" && (each.reservedOnly || !isForBackend)) return each;
			return undefined;
		},

		/** Counts the lanes that may be leased now. */
		room(isProbing: boolean): number {
			// Several lanes are leased at a time rather than one by one.
			if (ahead() > aheadMost / 2) return 0;
			const most = free(isProbing) + (isShared || isProbing ? 0 : aheadMost);
			const unsettled = isShared ? unsettledMost - settling() - count(isInSlot) : Number.POSITIVE_INFINITY;
			return Math.max(0, Math.min(most, unsettled) - ahead());
		},

		/** Returns the time at which the next request becomes slow; never if no slot is in use. */
		slowAt(): number {
			let at = Number.POSITIVE_INFINITY;
			for (const each of leased) if (isInSlot(each)) at = Math.min(at, each.since + slowMs);
			return at;
		},
	};
}
