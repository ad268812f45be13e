import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

export type Row = Record<string, SQLInputValue>;
type Values = readonly SQLInputValue[];
export type Statements = ReturnType<typeof createStatements>;

/** Makes functions that run SQL, each statement prepared once. */
export function createStatements(db: DatabaseSync) {
	const prepared = new Map<string, StatementSync>();
	function sql(text: string): StatementSync {
		let statement = prepared.get(text);
		if (!statement) {
			statement = db.prepare(text);
			prepared.set(text, statement);
		}
		return statement;
	}
	return {
		run: (text: string, values: Values = []) => sql(text).run(...values),
		get: (text: string, values: Values = []) => sql(text).get(...values) as Row | undefined,
		all: (text: string, values: Values = []) => sql(text).all(...values) as Row[],
		/** Reads row by row. The same statement must not be read twice at the same time. */
		each: (text: string, values: Values = []) => sql(text).iterate(...values) as IterableIterator<Row>,
	};
}

/** Reads the bytes of a BLOB without copying them. */
export function bytesOf(value: SQLInputValue | undefined): Buffer<ArrayBuffer> {
	if (!(value instanceof Uint8Array)) throw new TypeError("the column is not a BLOB");
	return Buffer.from(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
}
