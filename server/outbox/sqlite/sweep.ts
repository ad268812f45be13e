import { sweepSize } from "../limits.ts";
import type { Budgets } from "./budget.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Links } from "./links.ts";
import type { Shared } from "./shared.ts";

/** Pages of the file that one step gives back to the file system: 20 MB. */
const vacuumPages = 5_000;

export type Sweep = ReturnType<typeof createSweep>;

/** Makes the sweep of unused data. */
export function createSweep({
	statements: { run, all },
	claims,
	deadLetters,
	links,
	budgets,
}: Shared & { deadLetters: DeadLetters; links: Links; budgets: Budgets }) {
	return {
		/** Deletes some expired claims and old data; returns true if there may be more. */
		sweep({ now, before }: { now: number; before: number }): boolean {
			const moreClaims = claims.sweepClaims(now);
			const moreDead = deadLetters.sweepDeadLetters(before);
			const moreLinks = links.sweepLinks(before);
			budgets.sweepBudgetUse(now);
			const { changes } = run(
				`DELETE FROM known WHERE (site, destination, person) IN
				(SELECT site, destination, person FROM known WHERE used_at < ? LIMIT ${sweepSize})`,
				before,
			);
			// https://sqlite.org/pragma.html#pragma_incremental_vacuum gives back a page for each row that is read.
			all(`PRAGMA incremental_vacuum(${vacuumPages})`);
			return moreClaims || moreDead || moreLinks || Number(changes) === sweepSize;
		},
	};
}
