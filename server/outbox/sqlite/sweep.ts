import { sweepSize } from "../limits.ts";
import type { Budgets } from "./budget.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Shared } from "./shared.ts";

/** Maximum number of pages that a step gives back to the file system: 20 MB. */
const vacuumPages = 5_000;

export function createSweep({ all, claims, deleteUnused }: Shared, deadLetters: DeadLetters, budgets: Budgets) {
	/** Deletes some expired claims and old data; returns true if there may be more. */
	return function sweep({ now, before }: { now: number; before: number }): boolean {
		const more = [
			claims.sweepClaims(now),
			deadLetters.sweepDeadLetters(before),
			deleteUnused("known", before, sweepSize) === sweepSize,
			deleteUnused("link", before, sweepSize) === sweepSize,
		];
		budgets.sweepBudgetUse(now);
		// https://sqlite.org/pragma.html#pragma_incremental_vacuum gives back a page for each row that is read.
		all(`PRAGMA incremental_vacuum(${vacuumPages})`);
		return more.includes(true);
	};
}
