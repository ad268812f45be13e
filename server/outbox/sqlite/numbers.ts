import type { Statements } from "./statements.ts";
import type { Transactions } from "./transaction.ts";

/** Numbers are given from memory; what the file says is this far ahead, so that it is written seldom. */
const block = 10_000;

/**
 * Numbers that only grow, across restarts too: the ids of batches, bundles, lanes and leases, and their turns.
 * None means two things, and what came later has the higher one.
 */
export function createNumbers({ run, get }: Statements, { onRollback }: Transactions) {
	let next = 0;
	let limit = 0;
	/** The first of so many that follow each other. */
	return function numbers(count = 1): number {
		if (next + count > limit) {
			next = Number(get("SELECT next FROM number")?.next);
			limit = next + Math.max(block, count);
			run("UPDATE number SET next = ?", limit);
			onRollback(() => {
				next = limit;
			});
		}
		next += count;
		return next - count;
	};
}
