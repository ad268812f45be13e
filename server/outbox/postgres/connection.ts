import type { Client, ClientBase, ClientConfig, PoolClient } from "pg";
import { StoreOpenError, StoreUnavailableError } from "../errors.ts";

/** A row of PostgreSQL, with bigint read as a number. */
export type Row = Record<string, unknown>;
/** Runs one statement. Statements sent without waiting for each other run in that order. */
export type Run = (text: string, values?: unknown[]) => Promise<Row[]>;
export type Database = Awaited<ReturnType<typeof connect>>;

const connectMs = 3_000;
const answerMs = 10_000;
/**
 * SQL that begins a transaction with time limits of its own, which hold behind a pooler as well,
 * https://www.postgresql.org/docs/current/runtime-config-client.html. A process that stops within a transaction loses
 * its locks after 3 s; others wait longer than that for a lock.
 */
const begin = `BEGIN; SET LOCAL idle_in_transaction_session_timeout = 3000; SET LOCAL lock_timeout = 6000;
	SET LOCAL statement_timeout = 8000`;
/** SQL that begins a transaction in which all reads see the store at one moment. */
const beginSnapshot = begin.replace("BEGIN;", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;");
/**
 * Settings of a session whose statements are prepared. Their plans are kept, also those made while the tables were empty
 * and reading all of a table was cheap, so every plan finds its rows by an index:
 * https://www.postgresql.org/docs/current/runtime-config-query.html
 */
const plans = {
	enable_seqscan: "off",
	enable_hashjoin: "off",
	enable_mergejoin: "off",
	jit: "off",
	plan_cache_mode: "force_generic_plan",
};
/** Maximum number of connections of a process, besides the one that listens. */
const maxConnections = 10;
/** Object id of the type bigint in `pg_type`. */
const bigint = 20;
/**
 * serialization_failure, deadlock_detected, and feature_not_supported, which a prepared statement ends with once a newer
 * version has added a column: https://www.postgresql.org/docs/current/errcodes-appendix.html.
 */
const worthAnotherTry = new Set(["40001", "40P01", "0A000"]);

/** Names of prepared statements by their text. */
const names = new Map<string, string>();

/** Returns the name under which a statement is prepared, once in each session that runs it. */
function nameOf(text: string): string {
	const name = names.get(text) ?? `eventferry ${names.size}`;
	names.set(text, name);
	return name;
}

/** Returns the code of an error of PostgreSQL or Node. */
export const codeOf = (error: unknown): string | undefined => {
	const cause = error instanceof StoreUnavailableError ? error.cause : error;
	return cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
};

const unavailable = (cause: unknown) =>
	cause instanceof StoreUnavailableError
		? cause
		: new StoreUnavailableError(cause instanceof Error ? cause.message || cause.name : String(cause), { cause });

const settings = {
	idle_in_transaction_session_timeout: "3000",
	lock_timeout: "6000",
	statement_timeout: "8000",
	...plans,
};
export async function limitSession(client: ClientBase): Promise<boolean> {
	const { rowCount } = await client.query(
		`SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS t (name, value)
		WHERE pg_backend_pid() = $3`,
		[Object.keys(settings), Object.values(settings), "processID" in client ? client.processID : null],
	);
	return rowCount !== 0;
}

/** Sends what is asked of a connection in one turn of the event loop together, as each write is a call of the system. */
function sendTogether({ connection: { stream } }: Pick<Client, "connection">): void {
	stream.cork();
	process.nextTick(() => stream.uncork());
}

/** Leaves the failures of statements of a transaction to its commit, which tells them. */
export function tellAtCommit(...writing: Promise<unknown>[]): void {
	for (const each of writing) each.catch(() => {});
}

async function loadPg() {
	try {
		return (await import("pg")).default;
	} catch (cause) {
		if (codeOf(cause) !== "ERR_MODULE_NOT_FOUND") throw cause;
		throw new StoreOpenError("a store in PostgreSQL needs the package pg: npm install pg", { cause });
	}
}

/** Makes a pool of connections to a database. It connects when it is used first. */
export async function connect(url: string) {
	const pg = await loadPg();
	const config: ClientConfig = {
		connectionString: url,
		connectionTimeoutMillis: connectMs,
		query_timeout: answerMs,
		keepAlive: true,
		application_name: "eventferry",
		types: {
			getTypeParser: (oid, format) => (oid === bigint ? Number : pg.types.getTypeParser(oid, format)),
		},
	};
	/** Connections that have their limits from `limitSession`. The others set them in each transaction. */
	const limited = new WeakSet<ClientBase>();
	const pool = new pg.Pool({
		...config,
		pipeline: true,
		max: maxConnections,
		idleTimeoutMillis: 30_000,
		async onConnect(client) {
			// A connection that breaks while it is idle is replaced when needed; one in use rejects its queries.
			client.on("error", () => {});
			if (await limitSession(client)) limited.add(client);
		},
	});
	pool.on("error", () => {});

	/** Lends a connection, which is closed afterwards if anything failed on it. */
	async function lend<Result>(work: (run: Run, client: PoolClient) => Promise<Result>): Promise<Result> {
		let client: PoolClient;
		try {
			client = await pool.connect();
		} catch (error) {
			throw unavailable(error);
		}
		const run: Run = (text, values) => {
			if ("connection" in client) sendTogether(client as PoolClient & Client);
			const name = values && limited.has(client) ? nameOf(text) : undefined;
			const rows = client.query<Row>({ name, text, values }).then(({ rows }) => rows);
			// A caller that sends several statements awaits them in turn: without this, a later failure would be unhandled.
			rows.catch(() => {});
			return rows;
		};
		try {
			const result = await work(run, client);
			client.release();
			return result;
		} catch (error) {
			client.release(true);
			throw unavailable(error);
		}
	}

	async function attempt<Result>(work: (run: Run) => Promise<Result>, start = begin): Promise<Result> {
		return lend(async (run, client) => {
			void run(limited.has(client) ? start.replace(/;.*/s, "") : start);
			const sent: Promise<Row[]>[] = [];
			const result = await work((text, values) => {
				const rows = run(text, values);
				sent.push(rows);
				return rows;
			});
			const { command } = await client.query("COMMIT");
			if (command === "COMMIT") return result;
			// A statement for which the caller did not wait says why.
			await Promise.all(sent);
			throw new StoreUnavailableError("the transaction was rolled back");
		});
	}

	return {
		/** Runs one statement, as a transaction. */
		run: ((text, values) => lend((run) => run(text, values))) as Run,
		/** Runs statements on one connection, each as a transaction. */
		connection: lend,
		/** Runs reads that see the store at one moment. */
		snapshot: <Result>(work: (run: Run) => Promise<Result>) => attempt(work, beginSnapshot),
		/** Runs statements as a transaction, which is repeated after a conflict with another one. */
		async transaction<Result>(work: (run: Run) => Promise<Result>): Promise<Result> {
			for (let tries = 1; ; tries += 1) {
				try {
					return await attempt(work);
				} catch (error) {
					if (tries === 3 || !worthAnotherTry.has(codeOf(error) ?? "")) throw error;
				}
			}
		},
		client: () => new pg.Client(config),
		end: () => pool.end(),
	};
}

/** Reads columns from items, each by a property or a function, for `unnest` in SQL. */
export function columns<Item>(
	items: readonly Item[],
	...named: (keyof Item | ((item: Item) => unknown))[]
): unknown[][] {
	return named.map((column) => items.map((item) => (typeof column === "function" ? column(item) : item[column])));
}
