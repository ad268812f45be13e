import type { Client, ClientBase, ClientConfig, PoolClient } from "pg";
import { OutcomeUnknownError, StoreOpenError, StoreUnavailableError } from "../errors.ts";
import { libpqUrls, type TlsUrls } from "./tls.ts";

/** A row of PostgreSQL, with bigint read as a number. */
export type Row = Record<string, unknown>;
/** Runs one statement. Statements sent without waiting for each other run in that order. */
export type Run = (text: string, values?: unknown[]) => Promise<Row[]>;
export type Database = Awaited<ReturnType<typeof connect>>;

const connectMs = 3_000;
const answerMs = 10_000;
/**
 * Limits by which the server ends what a process leaves behind that is frozen, killed or cut off, ms:
 * https://www.postgresql.org/docs/current/runtime-config-client.html. The server is the one to do it: a frozen process
 * can not, and its locks stop the others. The network's limit ends a session that waits to write to its client, which
 * the limit of a statement does not. Others wait for a lock longer than a stopped process keeps one between statements.
 */
const limits = {
	idle_in_transaction_session_timeout: 3_000,
	lock_timeout: 6_000,
	statement_timeout: 8_000,
	tcp_user_timeout: 6_000,
};
/** Limits in s after which the server ends an idle session whose client's machine is gone. */
const keepalives = { tcp_keepalives_idle: 10, tcp_keepalives_interval: 5, tcp_keepalives_count: 3 };

const beginLimited = `BEGIN; ${Object.entries(limits)
	.map(([name, ms]) => `SET LOCAL ${name} = ${ms}`)
	.join("; ")}`;
const asSnapshot = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
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
const session = { ...limits, ...keepalives, ...plans };
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

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message || cause.name : String(cause));
const unavailable = (cause: unknown) =>
	cause instanceof StoreUnavailableError ? cause : new StoreUnavailableError(messageOf(cause), { cause });

/**
 * Returns the error of a statement that commits. Only an error that did not end the session says that nothing was
 * committed: https://www.postgresql.org/docs/current/protocol-error-fields.html.
 */
function errorOfCommit(cause: unknown): StoreUnavailableError {
	const isRefusal = cause instanceof Error && "severity" in cause && cause.severity === "ERROR";
	return isRefusal ? unavailable(cause) : new OutcomeUnknownError(messageOf(cause), { cause });
}

/**
 * Sets the limits of a session that this process has to itself. Resolves to false, with nothing set, behind a pooler,
 * which lends its sessions to several clients, and refuses such settings as parameters of a connection.
 */
export async function limitSession(client: ClientBase): Promise<boolean> {
	const { rowCount } = await client.query(
		`SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS t (name, value)
		WHERE pg_backend_pid() = $3`,
		[Object.keys(session), Object.values(session), "processID" in client ? client.processID : null],
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

/** Tells whether the server has no TLS where that is allowed. */
async function lacksTls(Client: new (config: ClientConfig) => Client, { url, withoutTls }: TlsUrls): Promise<boolean> {
	if (!withoutTls) return false;
	const client = new Client({ connectionString: url, connectionTimeoutMillis: connectMs });
	try {
		await client.connect();
		return false;
	} catch (error) {
		return messageOf(error) === "The server does not support SSL connections";
	} finally {
		await client.end().catch(() => {});
	}
}

/**
 * Makes a pool of connections to a database. It connects when it is used first. With `isPatient`, waits for the answer
 * to a statement for as long as the server works on it.
 */
export async function connect(url: string, { isPatient = false } = {}) {
	const urls = libpqUrls(url);
	const pg = await loadPg();
	const config: ClientConfig = {
		connectionString: (await lacksTls(pg.Client, urls)) ? urls.withoutTls : urls.url,
		connectionTimeoutMillis: connectMs,
		...(!isPatient && { query_timeout: answerMs }),
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

	function begin(run: Run, client: ClientBase): void {
		void run(limited.has(client) ? "BEGIN" : beginLimited);
	}

	/** Commits what was sent. A statement for which the caller did not wait tells why nothing was committed. */
	async function commit(client: ClientBase, sent: readonly Promise<unknown>[] = []): Promise<void> {
		const { command } = await client.query("COMMIT").catch((error) => Promise.reject(errorOfCommit(error)));
		if (command === "COMMIT") return;
		await Promise.all(sent);
		throw new StoreUnavailableError("the transaction was rolled back");
	}

	async function attempt<Result>(work: (run: Run) => Promise<Result>): Promise<Result> {
		return lend(async (run, client) => {
			begin(run, client);
			const sent: Promise<Row[]>[] = [];
			const result = await work((text, values) => {
				const rows = run(text, values);
				sent.push(rows);
				return rows;
			});
			await commit(client, sent);
			return result;
		});
	}

	return {
		/** Runs one statement, as a transaction. */
		run: ((text, values) => lend((run) => run(text, values))) as Run,
		/** Runs one statement that writes, as a transaction. Rejects with `OutcomeUnknownError` if it may have been written. */
		write: ((text, values) =>
			lend(async (run, client) => {
				if (limited.has(client)) return run(text, values).catch((error) => Promise.reject(errorOfCommit(error)));
				begin(run, client);
				const rows = await run(text, values);
				await commit(client);
				return rows;
			})) as Run,
		/** Runs statements on one connection, each as a transaction. */
		connection: lend,
		/** Runs reads that see the store at one moment. */
		snapshot: <Result>(work: (run: Run) => Promise<Result>): Promise<Result> =>
			lend(async (run, client) => {
				begin(run, client);
				void run(asSnapshot);
				const result = await work(run);
				await run("COMMIT");
				return result;
			}),
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
		client: (): Client => new pg.Client(config),
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
