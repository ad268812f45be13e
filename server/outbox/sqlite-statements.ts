import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

/** A row as SQLite gives it. */
export type Row = Record<string, SQLInputValue>;
export type Statements = ReturnType<typeof createStatements>;

/** Statements that are prepared once, and the counters that more than one part of the store keeps. */
export function createStatements(db: DatabaseSync) {
	const prepared = new Map<string, StatementSync>();
	const sql = (text: string): StatementSync => {
		let statement = prepared.get(text);
		if (!statement) {
			statement = db.prepare(text);
			prepared.set(text, statement);
		}
		return statement;
	};
	const run = (text: string, ...values: SQLInputValue[]) => sql(text).run(...values);
	return {
		run,
		get: (text: string, ...values: SQLInputValue[]) => sql(text).get(...values) as Row | undefined,
		all: (text: string, ...values: SQLInputValue[]) => sql(text).all(...values) as Row[],
		/** Adds to a counter of a site, or of one of its destinations. */
		count(site: string, destination: string, name: string, by: number): void {
			if (by === 0) return;
			run(
				"INSERT INTO counter VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
				site,
				destination,
				name,
				by,
			);
		},
	};
}

/** A number that may be null. */
export const optionalNumber = (value: SQLInputValue | undefined): number | undefined =>
	value === null || value === undefined ? undefined : Number(value);
