import { newerSchema, StoreOpenError } from "../errors.ts";
import { codeOf, type Database, type Run } from "./connection.ts";

/** Oldest supported version of PostgreSQL: 14. */
const oldest = 140_000;
/** First key of all our advisory locks, https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS. */
const lockSpace = 0x65766679;
const migrating = 1;
const writing = 2;

/**
 * SQL that takes the lock for adding to lanes and deciding on claims, until the transaction ends. One process at a time
 * has it, so that events keep the order of the journal and each claim is decided once.
 */
const lockWriting = `SELECT pg_advisory_xact_lock(${lockSpace}, ${writing})`;
/** SQL that takes the same lock if it is free. */
export const tryLockWriting = `SELECT pg_try_advisory_xact_lock(${lockSpace}, ${writing}) AS is_ours`;

/** Runs statements as a transaction under the lock for writing. */
export type Exclusively = Database["transaction"];

/** Makes transactions under the lock for writing. Calls `onReleased` after each, as fan-out does not wait for the lock. */
export const createExclusively =
	({ transaction }: Pick<Database, "transaction">, onReleased: () => void): Exclusively =>
	(work) =>
		transaction((run) => {
			void run(lockWriting);
			return work(run);
		}).finally(onReleased);

/**
 * SQL that creates the tables. A row of `journal` is a batch that is not fanned out, a row of `bundle` has the bodies
 * of a bundle, a row of `entry` the deliveries that a lane owes of a bundle. Entries are ordered by id; of the first
 * entry of a lane the first `done` deliveries have ended. If several lanes owe events of a bundle, `owing` has the number
 * of lanes: an update in `bundle` would write the bodies again. Ids of lanes and entries come from one sequence, under
 * the lock of `lockWriting`: later events have higher ids, and a late settlement cannot hit another lane. The value of a
 * counter is the sum of its slots. lz4, if the server has it, compresses as well as pglz in a fifth of the time,
 * https://www.postgresql.org/docs/current/storage-toast.html.
 */
const tables = `
CREATE TABLE eventferry.schema (version integer NOT NULL);
CREATE SEQUENCE eventferry.id;
CREATE SEQUENCE eventferry.turn;
CREATE SEQUENCE eventferry.batch;
CREATE TABLE eventferry.owner (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE eventferry.journal (
	id bigint PRIMARY KEY, events integer NOT NULL, head text NOT NULL, keys bytea NOT NULL, stuck text
);
CREATE TABLE eventferry.bundle (
	batch bigint NOT NULL, place integer NOT NULL, bodies bytea NOT NULL, PRIMARY KEY (batch, place)
);
CREATE TABLE eventferry.owing (
	batch bigint NOT NULL, place integer NOT NULL, lanes integer NOT NULL, PRIMARY KEY (batch, place)
);
CREATE TABLE eventferry.destination (
	id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	site text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
	hold text,
	budget bigint NOT NULL DEFAULT 0,
	window_start bigint, used integer, tokens double precision, refilled_at bigint,
	UNIQUE (site, name)
);
CREATE TABLE eventferry.lane (
	id bigint PRIMARY KEY,
	turn bigint NOT NULL,
	due_at bigint NOT NULL DEFAULT 0,
	lease bigint NOT NULL DEFAULT 0,
	owner bigint,
	failing_since bigint,
	owed_since bigint NOT NULL,
	destination integer NOT NULL,
	rank integer NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	unreadable integer NOT NULL DEFAULT 0,
	requests integer NOT NULL DEFAULT 0,
	shown integer,
	done integer NOT NULL DEFAULT 0,
	reserved boolean NOT NULL,
	state text COLLATE "C" NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'leased', 'waiting')),
	person text COLLATE "C" NOT NULL,
	UNIQUE (destination, person)
);
CREATE INDEX lane_rank ON eventferry.lane (destination, rank, turn) WHERE state = 'ready';
CREATE INDEX lane_turn ON eventferry.lane (destination, turn) WHERE state = 'ready';
CREATE INDEX lane_reserved_rank ON eventferry.lane (destination, rank, turn) WHERE state = 'ready' AND reserved;
CREATE INDEX lane_reserved_turn ON eventferry.lane (destination, turn) WHERE state = 'ready' AND reserved;
CREATE INDEX lane_due ON eventferry.lane (destination, due_at) WHERE state <> 'ready';
CREATE INDEX lane_leased ON eventferry.lane (owner) WHERE state = 'leased';
CREATE INDEX lane_oldest ON eventferry.lane (destination, owed_since);
CREATE TABLE eventferry.entry (
	lane bigint NOT NULL, id bigint NOT NULL,
	batch bigint NOT NULL, stored_at bigint NOT NULL, first_at bigint,
	place integer NOT NULL, count integer NOT NULL, past_attempts integer NOT NULL DEFAULT 0,
	is_shared boolean NOT NULL, deliveries bytea NOT NULL,
	PRIMARY KEY (lane, id)
);
CREATE INDEX entry_id ON eventferry.entry (id);
CREATE TABLE eventferry.budget_use (
	destination integer NOT NULL, at bigint NOT NULL, used integer NOT NULL, PRIMARY KEY (destination, at)
);
CREATE TABLE eventferry.claim (key uuid PRIMARY KEY, since bigint NOT NULL, until bigint NOT NULL);
CREATE INDEX claim_until ON eventferry.claim (until);
CREATE TABLE eventferry.known (
	used_at bigint NOT NULL, destination integer NOT NULL,
	person text COLLATE "C" NOT NULL, value text COLLATE "C" NOT NULL,
	PRIMARY KEY (destination, person)
);
CREATE INDEX known_used ON eventferry.known (used_at);
CREATE TABLE eventferry.link (
	used_at bigint NOT NULL, destination integer NOT NULL,
	alias text COLLATE "C" NOT NULL, person text COLLATE "C" NOT NULL,
	PRIMARY KEY (destination, alias)
);
CREATE INDEX link_person ON eventferry.link (destination, person);
CREATE INDEX link_used ON eventferry.link (used_at);
CREATE TABLE eventferry.dead_letter (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	first_at bigint NOT NULL, last_at bigint NOT NULL,
	destination integer NOT NULL, rank integer NOT NULL, attempts integer NOT NULL, status integer,
	reserved boolean NOT NULL,
	reason text COLLATE "C" NOT NULL, message text COLLATE "C", person text COLLATE "C" NOT NULL,
	body text COLLATE "C" NOT NULL
);
CREATE INDEX dead_letter_person ON eventferry.dead_letter (destination, person);
CREATE INDEX dead_letter_last ON eventferry.dead_letter (last_at);
CREATE TABLE eventferry.migration (step text PRIMARY KEY, after text, is_finished boolean NOT NULL DEFAULT false);
CREATE TABLE eventferry.counter (
	site text COLLATE "C" NOT NULL, destination text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
	slot integer NOT NULL, value bigint NOT NULL,
	PRIMARY KEY (site, destination, name, slot)
) WITH (fillfactor = 50);
DO $$ BEGIN
	ALTER TABLE eventferry.bundle ALTER bodies SET COMPRESSION lz4;
	ALTER TABLE eventferry.journal ALTER head SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
`;

/**
 * SQL that makes version 2 from version 1, where a person had one lane at a destination, and all trusted events, but no
 * others, were allowed to spend the reserve. These lanes stay whole, as lanes of trusted events, to keep their order. A
 * lane is `behind` while the person has one with more trust at the destination; a reserved one never is. Claims of
 * version 1 may be of anybody, so they count as untrusted.
 */
const byTrust = `
ALTER TABLE eventferry.lane
	ADD COLUMN trusted boolean NOT NULL DEFAULT true, ADD COLUMN behind boolean NOT NULL DEFAULT false,
	DROP CONSTRAINT lane_destination_person_key, ADD UNIQUE (destination, person, trusted, reserved);
DROP INDEX eventferry.lane_rank, eventferry.lane_turn;
CREATE INDEX lane_rank ON eventferry.lane (destination, rank, turn) WHERE state = 'ready' AND NOT behind;
CREATE INDEX lane_turn ON eventferry.lane (destination, turn) WHERE state = 'ready' AND NOT behind;
ALTER TABLE eventferry.dead_letter ADD COLUMN trusted boolean NOT NULL DEFAULT false;
UPDATE eventferry.dead_letter SET trusted = reserved;
CREATE INDEX dead_letter_untrusted ON eventferry.dead_letter (id) WHERE NOT trusted;
ALTER TABLE eventferry.claim ADD COLUMN trusted boolean NOT NULL DEFAULT false;
DROP INDEX eventferry.claim_until;
CREATE INDEX claim_until ON eventferry.claim (trusted, until);
ALTER TABLE eventferry.journal ADD COLUMN stored_at timestamptz NOT NULL DEFAULT clock_timestamp();
`;

/**
 * SQL that suits tables to many updates and deletes. Pages with free space take new versions of budgets, holds and beats
 * without new entries in an index. Vacuum comes after 5,000 rows and a fiftieth of a table rather than a fifth, as a take
 * passes what is dead: https://www.postgresql.org/docs/current/runtime-config-autovacuum.html
 */
const forManyChanges = `
ALTER TABLE eventferry.destination SET (fillfactor = 50);
ALTER TABLE eventferry.owner SET (fillfactor = 50);
${["lane", "entry", "bundle", "owing", "journal", "known", "claim", "link", "dead_letter"]
	.map(
		(table) => `ALTER TABLE eventferry.${table} SET (
			autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0,
			autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.1
		);`,
	)
	.join("\n")}
`;

/**
 * SQL for the lanes of forgotten people whose entries are not deleted yet. The lanes themselves are gone, so nothing of
 * them is delivered.
 */
const forgotten = "CREATE TABLE eventferry.forgotten (lane bigint PRIMARY KEY);";

/** SQL that makes each version of the schema from the version before. */
const migrations = [tables, byTrust + forManyChanges + forgotten];
const version = migrations.length;

async function versionOf(run: Run): Promise<number> {
	// to_regclass may read a cache that is out of date within the transaction.
	const [found] = await run(
		`SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
		WHERE nspname = 'eventferry' AND relname = 'schema'`,
	);
	if (!found) return 0;
	const [row] = await run("SELECT version FROM eventferry.schema");
	return Number(row?.version);
}

async function migrate(run: Run): Promise<void> {
	await run(`SELECT pg_advisory_xact_lock(${lockSpace}, ${migrating})`);
	const found = await versionOf(run);
	if (found >= version) return;
	// CREATE SCHEMA IF NOT EXISTS needs the right to create a schema, even if it exists.
	const [schema] = await run("SELECT 1 FROM pg_namespace WHERE nspname = 'eventferry'");
	if (!schema) await run("CREATE SCHEMA eventferry");
	for (const migration of migrations.slice(found)) await run(migration);
	if (found === 0) await run("INSERT INTO eventferry.schema VALUES ($1)", [version]);
	else await run("UPDATE eventferry.schema SET version = $1", [version]);
}

/**
 * Prepares a database for the outbox: creates the schema `eventferry` or brings it up to date, one process at a time.
 * Rejects with {@link StoreOpenError}.
 */
export async function prepare({ run, transaction }: Pick<Database, "run" | "transaction">): Promise<void> {
	const [server] = await run("SELECT current_setting('server_version_num')::integer AS version");
	if (Number(server?.version) < oldest)
		throw new StoreOpenError("the database is older than PostgreSQL 14: use a newer one");
	const found = await versionOf(run);
	if (found > version) throw newerSchema(found, version);
	if (found === version) return;
	try {
		await transaction(migrate);
	} catch (error) {
		if (codeOf(error) !== "42501") throw error;
		throw new StoreOpenError(
			"the database's user may not create the schema eventferry: create it with CREATE SCHEMA eventferry AUTHORIZATION and the user's name",
			{ cause: error },
		);
	}
}
