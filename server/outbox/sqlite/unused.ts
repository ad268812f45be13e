import type { Statements } from "./statements.ts";

/** Tables with a time of last use, and their keys. */
const keys = { known: "site, destination, person", link: "site, destination, alias" };

export const createUnused = ({ run }: Statements) => ({
	/** Deletes the rows of a table that were unused for longest, if that is since before a time; returns their number. */
	deleteUnused(table: keyof typeof keys, before: number, most: number): number {
		const key = keys[table];
		const { changes } = run(
			`DELETE FROM ${table} WHERE (${key}) IN
			(SELECT ${key} FROM ${table} WHERE used_at < ?1 ORDER BY used_at LIMIT ?2)`,
			[before, most],
		);
		return Number(changes);
	},
});
