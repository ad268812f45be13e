import { countPacked } from "../deliveries.ts";
import { countEvents, readHead } from "../journal-row.ts";
import type { Run } from "../postgres/connection.ts";
import { storable } from "../postgres/text.ts";
import { bytesOf, type Row } from "../sqlite/statements.ts";

/** Look-ups of numbers that differ between the two stores. */
export interface Mapping {
	/** Finds the number of a destination in PostgreSQL. */
	numberOf(site: string, name: string): number;
	/** Finds a destination by its number in SQLite. */
	byNumber(id: number): { site: string; name: string };
	/** Finds the batch of a bundle that is not fanned out, and the bundle's place in the batch. */
	ofBatch(bundle: number): { batch: number; place: number } | undefined;
}

/** Moves a table of SQLite into PostgreSQL, some rows at a time. Rows that are there already stay. */
export interface TableMove {
	/** Table in SQLite, with a JOIN if needed. */
	table: string;
	/** Columns that order the rows and identify each. */
	keys: string[];
	put(run: Run, rows: readonly Row[], mapping: Mapping): Promise<unknown>;
}

/** A column in PostgreSQL. Its value is that of SQLite's column of the same name, unless `read` makes another. */
type Column = [name: string, type: string, read?: (row: Row, mapping: Mapping) => unknown];

const plain = (type: string, ...names: string[]) => names.map((name): Column => [name, type]);
const text = (value: unknown) => (value === null ? null : storable(String(value)));
const texts = (...names: string[]) => names.map((name): Column => [name, "text", (row) => text(row[name])]);
const bytes = (name: string): Column => [name, "bytea", (row) => bytesOf(row[name])];
const flags = (...names: string[]) => names.map((name): Column => [name, "boolean", (row) => row[name] === 1]);
const destinationNumber = (row: Row, { numberOf }: Mapping) => numberOf(String(row.site), String(row.destination));
const destination: Column = ["destination", "integer", destinationNumber];

function tableMove(
	table: string,
	keys: string,
	columns: Column[],
	sql: (names: string, rows: string) => string,
	only: (row: Row) => boolean,
): TableMove {
	const parameters = columns.map(([, type], index) => `$${index + 1}::${type}[]`);
	const statement = sql(columns.map(([name]) => name).join(), `unnest(${parameters})`);
	return {
		table,
		keys: keys.split(", "),
		put(run, some, mapping) {
			const rows = some.filter(only);
			return run(
				statement,
				columns.map(([name, , read]) => rows.map((row) => (read ? read(row, mapping) : row[name]))),
			);
		},
	};
}

const everyRow = (_: Row): boolean => true;

/** Inserts the rows of a table, or only some of them; `overriding` is SQL that lets rows keep generated ids. */
function insert(table: string, keys: string, columns: Column[], { overriding = "", only = everyRow } = {}) {
	const into = table.split(" ")[0];
	const sql = (names: string, rows: string) =>
		`INSERT INTO eventferry.${into} (${names}) ${overriding} SELECT * FROM ${rows} ON CONFLICT DO NOTHING`;
	return tableMove(table, keys, columns, sql, only);
}

/** Moves a table with a row for each destination into columns of the table `destination`. */
function update(table: string, columns: Column[]) {
	const set = columns.map(([name]) => `${name} = t.${name}`);
	return tableMove(
		table,
		"site, destination",
		[["id", "integer", destinationNumber], ...columns],
		(names, rows) =>
			`UPDATE eventferry.destination SET ${set} FROM ${rows} AS t (${names}) WHERE destination.id = t.id`,
		everyRow,
	);
}

function eventsOf(text: unknown): number {
	const head = readHead(text);
	return head ? countEvents(head) : 0;
}

/** Tables to move, in an order in which no row refers to a row that is not moved yet. */
export const moves: TableMove[] = [
	insert("bundle", "id", [
		["batch", "bigint", ({ id }, { ofBatch }) => ofBatch(Number(id))?.batch ?? id],
		["place", "integer", ({ id }, { ofBatch }) => ofBatch(Number(id))?.place ?? 0],
		bytes("bodies"),
	]),
	insert("journal", "id", [
		...plain("bigint", "id"),
		["events", "integer", ({ head }) => eventsOf(head)],
		...plain("text", "head", "stuck"),
		bytes("keys"),
	]),
	insert(
		"owing",
		"bundle",
		[["batch", "bigint", ({ bundle }) => bundle], ["place", "integer", () => 0], ...plain("integer", "lanes")],
		{ only: ({ lanes }) => Number(lanes) > 1 },
	),
	insert("lane", "id", [
		...plain("bigint", "id", "turn", "due_at", "failing_since", "owed_since"),
		...plain("integer", "rank", "attempts", "unreadable", "requests", "shown"),
		[
			"destination",
			"integer",
			(row, { byNumber, numberOf }) => {
				const { site, name } = byNumber(Number(row.destination));
				return numberOf(site, name);
			},
		],
		...texts("person"),
		...flags("trusted", "reserved", "behind"),
		["state", "text", ({ due_at }) => (Number(due_at) > 0 ? "waiting" : "ready")],
	]),
	insert("entry JOIN owing USING (bundle)", "lane, bundle", [
		...plain("bigint", "lane", "stored_at", "first_at"),
		["id", "bigint", ({ bundle }) => bundle],
		["batch", "bigint", ({ bundle }) => bundle],
		["place", "integer", () => 0],
		["count", "integer", ({ deliveries }) => countPacked(bytesOf(deliveries))],
		...plain("integer", "past_attempts"),
		["is_shared", "boolean", ({ lanes }) => Number(lanes) > 1],
		bytes("deliveries"),
	]),
	insert("claim", "key", [
		["key", "uuid", ({ key }) => bytesOf(key).toString("hex")],
		...plain("bigint", "since", "until"),
		...flags("trusted"),
	]),
	insert("known", "site, destination, person", [
		destination,
		...texts("person", "value"),
		...plain("bigint", "used_at"),
	]),
	insert("link", "site, destination, alias", [destination, ...texts("alias", "person"), ...plain("bigint", "used_at")]),
	insert(
		"dead_letter",
		"id",
		[
			...plain("bigint", "id", "first_at", "last_at"),
			destination,
			...texts("person", "body", "reason", "message"),
			...plain("integer", "rank", "status", "attempts"),
			...flags("reserved", "trusted"),
		],
		{ overriding: "OVERRIDING SYSTEM VALUE" },
	),
	update("budget", [
		...plain("bigint", "window_start", "refilled_at"),
		...plain("integer", "used"),
		...plain("float8", "tokens"),
	]),
	insert("budget_use", "site, destination, at", [destination, ...plain("bigint", "at"), ...plain("integer", "used")]),
	update("hold", [["hold", "text", ({ state }) => text(state)]]),
	insert("counter", "destination, name", [
		["site", "text", (row, { byNumber }) => byNumber(Number(row.destination)).site],
		["destination", "text", (row, { byNumber }) => byNumber(Number(row.destination)).name],
		...plain("text", "name"),
		["slot", "integer", () => 0],
		...plain("bigint", "value"),
	]),
];
