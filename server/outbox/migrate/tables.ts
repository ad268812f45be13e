import { countPacked } from "../deliveries.ts";
import { countEvents } from "../journal-row.ts";
import { columns, type Run } from "../postgres/connection.ts";
import { storable } from "../postgres/text.ts";
import { bytesOf, type Row } from "../sqlite/statements.ts";

/** What is the same in both stores under another number or name. */
export interface Mapping {
	/** The number in PostgreSQL of a destination by site and name. */
	named(site: string, name: string): number;
	/** The site and name of a destination by its number in SQLite, which is its number there only. */
	byNumber(id: number): { site: string; name: string };
	/** Which batch that is not fanned out a bundle is of, and where in it. */
	ofBatch(bundle: number): { batch: number; place: number } | undefined;
}

/** A table of an embedded store, and how some of its rows are put into PostgreSQL. Rows that are there already are left. */
export interface TableMove {
	table: string;
	/** Columns that order it. */
	keys: string[];
	put(run: Run, rows: readonly Row[], mapping: Mapping): Promise<unknown>;
}

const text = (value: unknown): string => storable(String(value));

/** Inserts rows, a list of values for each column; `types` are the columns' own. */
function insert(table: string, names: string, types: string[], { isGiven = false } = {}) {
	const places = types.map((type, index) => `$${index + 1}::${type}[]`).join();
	const statement = `INSERT INTO eventferry.${table} (${names}) ${isGiven ? "OVERRIDING SYSTEM VALUE" : ""}
		SELECT * FROM unnest(${places}) ON CONFLICT DO NOTHING`;
	return (run: Run, rows: readonly Row[], ...values: ((row: Row) => unknown)[]) =>
		run(statement, columns(rows, ...values));
}

const journal = insert("journal", "id, events, head, keys, stuck", ["bigint", "integer", "text", "bytea", "text"]);
const bundle = insert("bundle", "batch, place, bodies", ["bigint", "integer", "bytea"]);
const owing = insert("owing", "batch, place, lanes", ["bigint", "integer", "integer"]);
const lane = insert(
	"lane",
	`id, destination, person, rank, reserved, turn, due_at, attempts, unreadable, failing_since, requests, shown,
	owed_since, state`,
	[
		"bigint",
		"integer",
		"text",
		"integer",
		"boolean",
		"bigint",
		"bigint",
		"integer",
		"integer",
		"bigint",
		"integer",
	].concat(["integer", "bigint", "text"]),
);
const entry = insert(
	"entry",
	"lane, id, batch, place, count, stored_at, first_at, past_attempts, is_shared, deliveries",
	["bigint", "bigint", "bigint", "integer", "integer", "bigint", "bigint", "integer", "boolean", "bytea"],
);
const claim = insert("claim", "key, since, until", ["uuid", "bigint", "bigint"]);
const known = insert("known", "destination, person, value, used_at", ["integer", "text", "text", "bigint"]);
const link = insert("link", "destination, alias, person, used_at", ["integer", "text", "text", "bigint"]);
const deadLetter = insert(
	"dead_letter",
	"id, destination, person, body, rank, reserved, status, reason, message, attempts, first_at, last_at",
	["bigint", "integer", "text", "text", "integer", "boolean", "integer", "text", "text", "integer", "bigint", "bigint"],
	{ isGiven: true },
);
const budgetUse = insert("budget_use", "destination, at, used", ["integer", "bigint", "integer"]);
const counter = insert("counter", "site, destination, name, slot, value", [
	"text",
	"text",
	"text",
	"integer",
	"bigint",
]);

const eventsOf = (head: unknown) => {
	try {
		return countEvents(JSON.parse(String(head)));
	} catch {
		// One that was set aside, as it cannot be read.
		return 0;
	}
};

/** All there is to move, in an order in which nothing refers to what is not there yet. */
export const moves: TableMove[] = [
	{
		table: "bundle",
		keys: ["id"],
		put: (run, rows, { ofBatch }) =>
			bundle(
				run,
				rows,
				({ id }) => ofBatch(Number(id))?.batch ?? id,
				({ id }) => ofBatch(Number(id))?.place ?? 0,
				({ bodies }) => bytesOf(bodies),
			),
	},
	{
		table: "journal",
		keys: ["id"],
		put: (run, rows) =>
			journal(
				run,
				rows,
				({ id }) => id,
				({ head }) => eventsOf(head),
				({ head }) => head,
				({ keys }) => bytesOf(keys),
				({ stuck }) => stuck,
			),
	},
	{
		table: "owing",
		keys: ["bundle"],
		put: (run, rows) =>
			owing(
				run,
				rows.filter(({ lanes }) => Number(lanes) > 1),
				({ bundle: id }) => id,
				() => 0,
				({ lanes }) => lanes,
			),
	},
	{
		table: "lane",
		keys: ["id"],
		put: (run, rows, { byNumber, named }) =>
			lane(
				run,
				rows,
				({ id }) => id,
				({ destination }) => {
					const { site, name } = byNumber(Number(destination));
					return named(site, name);
				},
				({ person }) => text(person),
				({ rank }) => rank,
				({ reserved }) => reserved === 1,
				({ turn }) => turn,
				({ due_at }) => due_at,
				({ attempts }) => attempts,
				({ unreadable }) => unreadable,
				({ failing_since }) => failing_since,
				({ requests }) => requests,
				({ shown }) => shown,
				({ owed_since }) => owed_since,
				({ due_at }) => (Number(due_at) > 0 ? "waiting" : "ready"),
			),
	},
	{
		table: "entry JOIN owing USING (bundle)",
		keys: ["lane", "bundle"],
		put: (run, rows) =>
			entry(
				run,
				rows,
				(row) => row.lane,
				(row) => row.bundle,
				(row) => row.bundle,
				() => 0,
				({ deliveries }) => countPacked(bytesOf(deliveries)),
				({ stored_at }) => stored_at,
				({ first_at }) => first_at,
				({ past_attempts }) => past_attempts,
				({ lanes }) => Number(lanes) > 1,
				({ deliveries }) => bytesOf(deliveries),
			),
	},
	{
		table: "claim",
		keys: ["key"],
		put: (run, rows) =>
			claim(
				run,
				rows,
				({ key }) => bytesOf(key).toString("hex"),
				({ since }) => since,
				({ until }) => until,
			),
	},
	{
		table: "known",
		keys: ["site", "destination", "person"],
		put: (run, rows, { named }) =>
			known(
				run,
				rows,
				({ site, destination }) => named(String(site), String(destination)),
				({ person }) => text(person),
				({ value }) => text(value),
				({ used_at }) => used_at,
			),
	},
	{
		table: "link",
		keys: ["site", "destination", "alias"],
		put: (run, rows, { named }) =>
			link(
				run,
				rows,
				({ site, destination }) => named(String(site), String(destination)),
				({ alias }) => text(alias),
				({ person }) => text(person),
				({ used_at }) => used_at,
			),
	},
	{
		table: "dead_letter",
		keys: ["id"],
		put: (run, rows, { named }) =>
			deadLetter(
				run,
				rows,
				({ id }) => id,
				({ site, destination }) => named(String(site), String(destination)),
				({ person }) => text(person),
				({ body }) => text(body),
				({ rank }) => rank,
				({ reserved }) => reserved === 1,
				({ status }) => status,
				({ reason }) => text(reason),
				({ message }) => (message === null ? null : text(message)),
				({ attempts }) => attempts,
				({ first_at }) => first_at,
				({ last_at }) => last_at,
			),
	},
	{
		table: "budget",
		keys: ["site", "destination"],
		put: (run, rows, { named }) =>
			run(
				`UPDATE eventferry.destination SET window_start = t.window_start, used = t.used, tokens = t.tokens,
				refilled_at = t.refilled_at
				FROM unnest($1::integer[], $2::bigint[], $3::integer[], $4::float8[], $5::bigint[])
				AS t (id, window_start, used, tokens, refilled_at) WHERE destination.id = t.id`,
				columns(
					rows,
					({ site, destination }) => named(String(site), String(destination)),
					({ window_start }) => window_start,
					({ used }) => used,
					({ tokens }) => tokens,
					({ refilled_at }) => refilled_at,
				),
			),
	},
	{
		table: "budget_use",
		keys: ["site", "destination", "at"],
		put: (run, rows, { named }) =>
			budgetUse(
				run,
				rows,
				({ site, destination }) => named(String(site), String(destination)),
				({ at }) => at,
				({ used }) => used,
			),
	},
	{
		table: "hold",
		keys: ["site", "destination"],
		put: (run, rows, { named }) =>
			run(
				"UPDATE eventferry.destination SET hold = t.hold FROM unnest($1::integer[], $2::text[]) AS t (id, hold) WHERE destination.id = t.id",
				columns(
					rows,
					({ site, destination }) => named(String(site), String(destination)),
					({ state }) => text(state),
				),
			),
	},
	{
		table: "counter",
		keys: ["destination", "name"],
		put: (run, rows, { byNumber }) =>
			counter(
				run,
				rows,
				({ destination }) => byNumber(Number(destination)).site,
				({ destination }) => byNumber(Number(destination)).name,
				({ name }) => name,
				() => 0,
				({ value }) => value,
			),
	},
];
