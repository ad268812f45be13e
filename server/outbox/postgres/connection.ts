import type { ClientConfig, PoolClient } from "pg";
import { StoreOpenError, StoreUnavailableError } from "../errors.ts";

/** A row as it comes from PostgreSQL; bigint as a number. */
export type Row = Record<string, unknown>;
/** Runs one statement. Several may be sent without waiting for each other: they are run in that order. */
export type Run = (text: string, values?: unknown[]) => Promise<Row[]>;
export type Database = Awaited<ReturnType<typeof connect>>;

/** How long a connection, and an answer, are waited for. */
const connectMs = 3_000;
const answerMs = 10_000;
/**
 * Each transaction's own limits, so that they hold behind a pooler too. A process that is stopped within one
 * must not keep what it has locked: others wait a little longer for a lock than it may be idle.
 */
const begin = `BEGIN; SET LOCAL idle_in_transaction_session_timeout = 3000; SET LOCAL lock_timeout = 6000;
	SET LOCAL statement_timeout = 8000`;
/** As above, for what only reads: all of it sees one moment. */
const beginSnapshot = begin.replace("BEGIN;", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;");
/** Connections of a process at most, beside the one that listens. */
const most = 10;
const bigint = 20;
/** https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure, deadlock_detected */
const worthAnotherTry = new Set(["40001", "40P01"]);

/** PostgreSQL's code of what went wrong, where it was PostgreSQL that said so. */
export const codeOf = (error: unknown): string | undefined => {
	const cause = error instanceof StoreUnavailableError ? error.cause : error;
	return cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
};

const unavailable = (cause: unknown) =>
	cause instanceof StoreUnavailableError
		? cause
		: new StoreUnavailableError(cause instanceof Error ? cause.message || cause.name : String(cause), { cause });

async function loadPg() {
	try {
		return (await import("pg")).default;
	} catch (cause) {
		if (codeOf(cause) !== "ERR_MODULE_NOT_FOUND") throw cause;
		throw new StoreOpenError("a store in PostgreSQL needs the package pg: npm install pg", { cause });
	}
}

/** Connections to one database. Nothing is connected until it is asked something. */
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
	const pool = new pg.Pool({ ...config, pipeline: true, max: most, idleTimeoutMillis: 30_000 });
	// A connection that breaks while nobody uses it is replaced when it is needed; one in use rejects what it was asked.
	pool.on("error", () => {});
	pool.on("connect", (client) => client.on("error", () => {}));

	/** Lends a connection; one on which anything went wrong is not used again. */
	async function lend<Result>(work: (run: Run, client: PoolClient) => Promise<Result>): Promise<Result> {
		let client: PoolClient;
		try {
			client = await pool.connect();
		} catch (error) {
			throw unavailable(error);
		}
		const run: Run = (text, values) => {
			const rows = client.query<Row>(text, values).then(({ rows }) => rows);
			// Whoever sends several waits for one after the other: one that fails later must not go unheard.
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
			void run(start);
			const result = await work(run);
			const { command } = await client.query("COMMIT");
			if (command !== "COMMIT") throw new StoreUnavailableError("the transaction was rolled back");
			return result;
		});
	}

	return {
		/** One statement, and so one transaction. */
		run: ((text, values) => lend((run) => run(text, values))) as Run,
		/** Several statements on one connection, each a transaction. */
		connection: lend,
		/** Reads that see the store as it is at one moment. */
		snapshot: <Result>(work: (run: Run) => Promise<Result>) => attempt(work, beginSnapshot),
		/** All or nothing; tried again where it met another transaction. */
		async transaction<Result>(work: (run: Run) => Promise<Result>): Promise<Result> {
			for (let tries = 1; ; tries += 1) {
				try {
					return await attempt(work);
				} catch (error) {
					if (tries === 3 || !worthAnotherTry.has(codeOf(error) ?? "")) throw error;
				}
			}
		},
		/** A connection of its own, outside the pool. */
		client: () => new pg.Client(config),
		end: () => pool.end(),
	};
}

/** Reads columns out of items, each by its name or by a function; `unnest` makes rows of them again. */
export function columns<Item>(
	items: readonly Item[],
	...named: (keyof Item | ((item: Item) => unknown))[]
): unknown[][] {
	return named.map((column) => items.map((item) => (typeof column === "function" ? column(item) : item[column])));
}
