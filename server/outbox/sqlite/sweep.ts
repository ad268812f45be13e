import { sweepSize } from "../limits.ts";
import type { Budgets } from "./budget.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Links } from "./links.ts";
import type { Shared } from "./shared.ts";

/** Pages of the file that one sweep gives back: 20 MB. */
const vacuumPages = 5_000;

export type Sweep = ReturnType<typeof createSweep>;

/** What has outlived its use. */
export function createSweep({
	statements: { run, all },
	claims,
	deadLetters,
	links,
	budgets,
}: Shared & { deadLetters: DeadLetters; links: Links; budgets: Budgets }) {
	return {
		/** Deletes some of what has outlived its use; returns whether there may be more. */
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
			// Read to its end: each row it returns is a page given back.
			all(`PRAGMA incremental_vacuum(${vacuumPages})`);
			return moreClaims || moreDead || moreLinks || Number(changes) === sweepSize;
		},
	};
}
