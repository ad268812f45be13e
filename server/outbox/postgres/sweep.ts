import { sweepSize } from "../limits.ts";
import type { Budgets } from "./budget.ts";
import { removeForgotten } from "./forget.ts";
import type { Shared } from "./shared.ts";

/** Tables to sweep, with their keys and the condition of old rows. */
const old = {
	claim: ["key", "trusted = ANY ('{t,f}') AND until <= $1"],
	known: ["destination, person", "used_at < $1"],
	link: ["destination, alias", "used_at < $1"],
} as const;

export function createSweep({ database, counters }: Shared, budgets: Budgets) {
	/** Deletes old rows in steps. SKIP LOCKED lets several processes sweep at the same time. */
	async function sweepTable(table: keyof typeof old, limit: number): Promise<void> {
		const [key, isOld] = old[table];
		for (let deleted = sweepSize; deleted === sweepSize; ) {
			const rows = await database.run(
				`DELETE FROM eventferry.${table} WHERE (${key}) IN (
					SELECT ${key} FROM eventferry.${table} WHERE ${isOld} LIMIT ${sweepSize} FOR UPDATE SKIP LOCKED
				) RETURNING 1`,
				[limit],
			);
			deleted = rows.length;
		}
	}

	async function sweepDeadLetters(before: number): Promise<void> {
		for (let deleted = sweepSize; deleted === sweepSize; ) {
			deleted = await database.transaction(async (run) => {
				const rows = await run(
					`DELETE FROM eventferry.dead_letter USING eventferry.destination
					WHERE destination.id = dead_letter.destination AND dead_letter.id IN (
						SELECT id FROM eventferry.dead_letter WHERE last_at < $1 LIMIT ${sweepSize} FOR UPDATE SKIP LOCKED
					) RETURNING site, name`,
					[before],
				);
				const counts = counters(run);
				for (const { site, name } of rows) counts.add(String(site), String(name), "dead", -1);
				await counts.save();
				return rows.length;
			});
		}
	}

	return async function sweep({ now, before }: { now: number; before: number }): Promise<void> {
		await sweepTable("claim", now);
		await sweepTable("known", before);
		await sweepTable("link", before);
		await sweepDeadLetters(before);
		await budgets.sweepBudgetUse(now);
		// A process that ended while it forgot somebody has left the rest.
		await removeForgotten(database);
	};
}
