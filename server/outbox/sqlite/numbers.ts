import type { Statements } from "./statements.ts";
import type { Transactions } from "./transaction.ts";

/** Size of the block of numbers that one write to the file reserves. */
const block = 10_000;

/**
 * Makes a sequence of numbers that grows across restarts. Ids of batches, bundles, lanes and leases come from it, and
 * turns: the later has the higher number.
 */
export function createNumbers({ run, get }: Statements, { onRollback }: Transactions) {
	let next = 0;
	let limit = 0;
	/** Returns the first of `count` consecutive numbers. */
	return function numbers(count = 1): number {
		if (next + count > limit) {
			next = Number(get("SELECT next FROM number")?.next);
			limit = next + Math.max(block, count);
			run("UPDATE number SET next = ?", [limit]);
			onRollback(() => {
				next = limit;
			});
		}
		next += count;
		return next - count;
	};
}
