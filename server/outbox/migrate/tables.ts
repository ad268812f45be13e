import { countPacked } from "../deliveries.ts";
import { countEvents } from "../journal-row.ts";
import type { Run } from "../postgres/connection.ts";
import { storable } from "../postgres/text.ts";
import { bytesOf, type Row } from "../sqlite/statements.ts";

/** Look-ups of numbers and names that differ between the two stores. */
export interface Mapping {
	/** Finds the number in PostgreSQL of a destination by site and name. */
	named(site: string, name: string): number;
	/** Finds the site and name of a destination by its number in SQLite. */
	byNumber(id: number): { site: string; name: string };
	/** Finds the batch of a bundle that is not fanned out, and the bundle's place in it. */
	ofBatch(bundle: number): { batch: number; place: number } | undefined;
}

/** Moves a table of an embedded store into PostgreSQL, some rows at a time. Rows that are there already stay. */
export interface TableMove {
	/** The table in SQLite, with what is joined to it. */
	table: string;
	keys: string[];
	put(run: Run, rows: readonly Row[], mapping: Mapping): Promise<unknown>;
}

/** A column in PostgreSQL; read from SQLite's column of the same name, unless `read` says otherwise. */
type Column = [name: string, type: string, read?: (row: Row, mapping: Mapping) => unknown];

const plain = (type: string, ...names: string[]) => names.map((name): Column => [name, type]);
const text = (value: unknown) => (value === null ? null : storable(String(value)));
const texts = (...names: string[]) => names.map((name): Column => [name, "text", (row) => text(row[name])]);
const bytes = (name: string): Column => [name, "bytea", (row) => bytesOf(row[name])];
const reserved: Column = ["reserved", "boolean", (row) => row.reserved === 1];
const numberOf = (row: Row, { named }: Mapping) => named(String(row.site), String(row.destination));
const destination: Column = ["destination", "integer", numberOf];

function move(
	table: string,
	keys: string,
	columns: Column[],
	sql: (names: string, rows: string) => string,
	only: (row: Row) => boolean,
): TableMove {
	const places = columns.map(([, type], index) => `$${index + 1}::${type}[]`);
	const statement = sql(columns.map(([name]) => name).join(), `unnest(${places})`);
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

const all = (_: Row): boolean => true;

/** Moves the rows of a table, or those for which `only` holds; `overriding` is SQL that lets them keep their ids. */
function insert(table: string, keys: string, columns: Column[], { overriding = "", only = all } = {}) {
	const into = table.split(" ")[0];
	const sql = (names: string, rows: string) =>
		`INSERT INTO eventferry.${into} (${names}) ${overriding} SELECT * FROM ${rows} ON CONFLICT DO NOTHING`;
	return move(table, keys, columns, sql, only);
}

/** Moves a table with a row for each destination into columns of that destination. */
function update(table: string, columns: Column[]) {
	const set = columns.map(([name]) => `${name} = t.${name}`);
	return move(
		table,
		"site, destination",
		[["id", "integer", numberOf], ...columns],
		(names, rows) =>
			`UPDATE eventferry.destination SET ${set} FROM ${rows} AS t (${names}) WHERE destination.id = t.id`,
		all,
	);
}

function eventsOf(head: unknown): number {
	try {
		return countEvents(JSON.parse(String(head)));
	} catch {
		// A head that cannot be read: its batch was set aside.
		return 0;
	}
}

/** All tables to move, in an order in which no row refers to one that is not there yet. */
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
			(row, { byNumber, named }) => {
				const { site, name } = byNumber(Number(row.destination));
				return named(site, name);
			},
		],
		...texts("person"),
		reserved,
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
			reserved,
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
