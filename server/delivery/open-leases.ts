import type { Lease } from "../outbox/outbox.ts";

/** Maximum number of requests of one destination under way at a time, each for a different lane. */
const concurrency = 4;
/** Maximum number of requests under way plus settlements not on disk yet, which a crash repeats. */
const unsettledMost = 2 * concurrency;
/**
 * Maximum number of lanes leased before their requests may begin, so that none waits for a take. More from a shared
 * store, where a take is a few statements, however many lanes it leases.
 */
const aheadMost = 4;
const aheadMostShared = 8;

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
	/** True if only the budget's reserve was left when the lane was leased. */
	readonly reservedOnly: boolean;
	stage: "ahead" | "busy" | "settling" | "returning";
	/** Resolves once the lease is settled. Absent while `ahead`. */
	done?: Promise<void>;
}

export type OpenLeases = ReturnType<typeof createOpenLeases>;

/** Keeps the leases of one destination and tells how many requests may begin and how many lanes may be leased. */
export function createOpenLeases({ isShared }: { isShared: boolean }) {
	const leased = new Set<Leased>();
	const most = isShared ? aheadMostShared : aheadMost;

	function count(stage: Leased["stage"]): number {
		let count = 0;
		for (const each of leased) if (each.stage === stage) count += 1;
		return count;
	}

	return {
		add(lease: Lease, reservedOnly: boolean): void {
			leased.add({ lease, reservedOnly, stage: "ahead" });
		},

		remove(each: Leased): void {
			leased.delete(each);
		},

		all: (): Leased[] => [...leased],

		/** Counts the leases in stage `ahead`. */
		ahead: () => count("ahead"),

		/** Finds the lease whose request may begin next. A probe goes alone. */
		next(isProbing: boolean): Leased | undefined {
			const busy = count("busy");
			if (busy >= (isProbing ? 1 : concurrency) || busy + count("settling") >= unsettledMost) return undefined;
			for (const each of leased) if (each.stage === "ahead") return each;
			return undefined;
		},

		/** Counts the lanes that may be leased now. */
		room(isProbing: boolean): number {
			const ahead = count("ahead");
			// Several lanes are leased at a time rather than one by one.
			if (ahead > most / 2) return 0;
			return Math.max(0, (isProbing ? 1 : concurrency + most) - count("busy") - ahead);
		},
	};
}
