import { newerSchema, StoreOpenError } from "../errors.ts";
import { codeOf, type Database, type Run, tellAtCommit } from "./connection.ts";

/** Oldest supported version of PostgreSQL: 14. */
const oldest = 140_000;
/** First key of all our advisory locks, https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS. */
const lockSpace = 0x65766679;
const migrating = 1;
const writing = 2;
const registering = 3;

/**
 * SQL that takes the lock under which owners get their ids, until the transaction ends. So they are committed in the
 * order of their ids.
 */
export const lockRegistering = `pg_advisory_xact_lock(${lockSpace}, ${registering})`;

/**
 * SQL that takes the lock for adding to lanes and deciding on claims, until the transaction ends. One process at a time
 * has it, so that events keep the order of the journal and each claim is decided once.
 */
export const lockWriting = `SELECT pg_advisory_xact_lock(${lockSpace}, ${writing})`;
/** SQL that takes the same lock if it is free. */
export const tryLockWriting = `SELECT pg_try_advisory_xact_lock(${lockSpace}, ${writing}) AS is_ours`;

/** Runs statements as a transaction under the lock for writing. */
export type Exclusively = Database["transaction"];

/**
 * Makes transactions under the lock for writing. Calls `ensureCurrent` before each, which may throw, and `onReleased`
 * after it, as fan-out does not wait for the lock.
 */
export const createExclusively =
	(
		{ transaction }: Pick<Database, "transaction">,
		{ ensureCurrent, onReleased }: { ensureCurrent(): void; onReleased(): void },
	): Exclusively =>
	async (work) => {
		ensureCurrent();
		return transaction((run) => {
			void run(lockWriting);
			return work(run);
		}).finally(onReleased);
	};

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
 * SQL that separates a person's lanes by trust. Version 0.1.0 had one for a person at a destination, and all trusted
 * events, but no others, were allowed to spend the reserve. Its lanes stay whole, as lanes of trusted events, to keep
 * their order. A lane is `behind` while the person has one with more trust at the destination. `asleep` follows the state
 * and stays the same when a lane is leased. So a lease changes no column of an index (a HOT update), and an index has the
 * leased lanes at their places, where a take passes them.
 * https://www.postgresql.org/docs/current/storage-hot.html
 */
const lanesByTrust = `
ALTER TABLE eventferry.lane
	ADD COLUMN IF NOT EXISTS trusted boolean NOT NULL DEFAULT true,
	ADD COLUMN IF NOT EXISTS behind boolean NOT NULL DEFAULT false,
	ADD COLUMN IF NOT EXISTS leased_until bigint,
	ADD COLUMN IF NOT EXISTS asleep boolean GENERATED ALWAYS AS (state = 'waiting') STORED,
	DROP CONSTRAINT IF EXISTS lane_destination_person_key;
ALTER TABLE eventferry.lane SET (fillfactor = 70);
CREATE INDEX IF NOT EXISTS lane_person ON eventferry.lane (destination, person);
CREATE INDEX IF NOT EXISTS lane_next ON eventferry.lane (destination, rank, turn) WHERE NOT behind AND NOT asleep;
CREATE INDEX IF NOT EXISTS lane_longest ON eventferry.lane (destination, turn) WHERE NOT behind AND NOT asleep;
CREATE INDEX IF NOT EXISTS lane_next_reserved ON eventferry.lane (destination, rank, turn) WHERE reserved AND NOT asleep;
CREATE INDEX IF NOT EXISTS lane_longest_reserved ON eventferry.lane (destination, turn) WHERE reserved AND NOT asleep;
CREATE INDEX IF NOT EXISTS lane_asleep ON eventferry.lane (destination, due_at) WHERE asleep;
CREATE INDEX IF NOT EXISTS lane_behind ON eventferry.lane (destination, person) WHERE behind;
`;

/**
 * SQL for the trust of dead letters and claims, the age of batches, the ends of a bundle's lines, and the lanes of
 * forgotten people whose entries are not deleted yet. Claims of version 0.1.0 may be of anybody, so they count as
 * untrusted. An owner of version 0.1.0 has no `revision`.
 */
const others = `
ALTER TABLE eventferry.dead_letter ADD COLUMN IF NOT EXISTS trusted boolean NOT NULL DEFAULT false;
UPDATE eventferry.dead_letter SET trusted = true WHERE reserved AND NOT trusted;
CREATE INDEX IF NOT EXISTS dead_letter_untrusted ON eventferry.dead_letter (id) WHERE NOT trusted;
ALTER TABLE eventferry.claim ADD COLUMN IF NOT EXISTS trusted boolean NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS claim_ends ON eventferry.claim (trusted, until);
ALTER TABLE eventferry.journal ADD COLUMN IF NOT EXISTS stored_at timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE eventferry.bundle ADD COLUMN IF NOT EXISTS ends integer[];
ALTER TABLE eventferry.owner ADD COLUMN IF NOT EXISTS revision integer;
CREATE TABLE IF NOT EXISTS eventferry.forgotten (lane bigint PRIMARY KEY);
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

/** Indexes that only processes of an older revision need, which are slow without them, but right. */
const olderIndexes = [
	...["lane_rank", "lane_turn", "lane_reserved_rank", "lane_reserved_turn", "lane_due", "lane_leased"],
	"claim_until",
];
const dropOlderIndexes = `DROP INDEX IF EXISTS ${olderIndexes.map((name) => `eventferry.${name}`).join()}`;

/**
 * Number of what a process must know to use the store. It rises when something older processes need is taken away.
 */
const version = 1;
/**
 * SQL that makes each revision of the schema from the one before, in steps. A step is a transaction, adds what processes
 * of the revision before do not mind, and may be repeated.
 */
const revisions = [[tables], [lanesByTrust, others, forManyChanges]];
export const revision = revisions.length;

/** Returns why this process may not use a schema of a version; undefined if it may. */
export const refusalOf = (found: number): StoreOpenError | undefined =>
	found > version ? newerSchema(found, version) : undefined;

/** SQL for the owners of an older revision that may be alive. */
export const olderOwners = `FROM eventferry.owner WHERE coalesce(revision, 1) < ${revision}`;

const exists = async (run: Run, names: readonly string[]) => {
	// to_regclass may read a cache that is out of date within the transaction.
	const found = await run(
		`SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
		WHERE nspname = 'eventferry' AND relname = ANY($1)`,
		[names],
	);
	return found.length > 0;
};

/** Reads the revision of the schema, 0 if there is none. Rejects if only newer processes may use it. */
async function revisionOf(run: Run): Promise<number> {
	if (!(await exists(run, ["schema"]))) return 0;
	const [row] = await run("SELECT version, to_jsonb(schema) -> 'revision' AS revision FROM eventferry.schema");
	const refusal = refusalOf(Number(row?.version));
	if (refusal) throw refusal;
	return Number(row?.revision ?? 1);
}

/** SQL of a transaction that changes the schema; two of them do not run at once. */
const lockMigrating = `SELECT pg_advisory_xact_lock(${lockSpace}, ${migrating})`;

async function create(run: Run): Promise<void> {
	await run(lockMigrating);
	if ((await revisionOf(run)) > 0) return;
	// CREATE SCHEMA IF NOT EXISTS needs the right to create a schema, even if it exists.
	const [schema] = await run("SELECT 1 FROM pg_namespace WHERE nspname = 'eventferry'");
	if (!schema) await run("CREATE SCHEMA eventferry");
	for (const step of revisions.flat()) await run(step);
	await run(dropOlderIndexes);
	await run("ALTER TABLE eventferry.schema ADD COLUMN revision integer");
	await run("INSERT INTO eventferry.schema VALUES ($1, $2)", [version, revision]);
}

/** State of a schema that was brought up to date. */
export interface Prepared {
	/** True if something was changed. */
	isChanged: boolean;
	/** Number of processes of an older revision; what only they need stays until they are gone. */
	older: number;
}

async function upgrade({ run, transaction }: Parts, found: number, isPatient: boolean): Promise<Prepared> {
	const inSteps = (steps: readonly string[]) =>
		steps.reduce(async (before, step) => {
			await before;
			await transaction(async (inside) => {
				if (isPatient) tellAtCommit(inside("SET LOCAL statement_timeout = 0"));
				await inside(lockMigrating);
				await inside(step);
			});
		}, Promise.resolve());
	await inSteps(revisions.slice(found).flat());
	if (found < revision) {
		await inSteps([
			"ALTER TABLE eventferry.schema ADD COLUMN IF NOT EXISTS revision integer",
			`UPDATE eventferry.schema SET revision = ${revision}`,
		]);
	}
	const [{ older } = {}] = await run(`SELECT count(*) AS older ${olderOwners}`);
	const isTidying = older === 0 && (await exists(run, olderIndexes));
	// A start may do without: its user may be one that is not the tables' owner.
	if (isTidying) await inSteps([dropOlderIndexes]).catch((error) => isPatient && Promise.reject(error));
	return { isChanged: found < revision || isTidying, older: Number(older) };
}

type Parts = Pick<Database, "run" | "transaction">;

/**
 * Prepares a database for the outbox: creates the schema `eventferry` or brings it up to date, one process at a time.
 * Drops the parts that only older revisions need once none of their processes is registered. Without `isPatient`, ends when a
 * step takes longer than a statement may. Rejects with {@link StoreOpenError}.
 */
export async function prepare(database: Parts, { isPatient = false } = {}): Promise<Prepared> {
	const { run, transaction } = database;
	const [server] = await run("SELECT current_setting('server_version_num')::integer AS version");
	if (Number(server?.version) < oldest)
		throw new StoreOpenError("the database is older than PostgreSQL 14: use a newer one");
	try {
		const found = await revisionOf(run);
		if (found > 0) return await upgrade(database, found, isPatient);
		await transaction(create);
		return { isChanged: true, older: 0 };
	} catch (error) {
		const why = refusals[codeOf(error) ?? ""];
		if (why === undefined) throw error;
		throw new StoreOpenError(why, { cause: error });
	}
}

const takesLong =
	"the schema could not be brought up to date in the seconds that a start has for it: run eventferry migrate --schema --to and the URL of the store";
const isLocked =
	"the schema could not be brought up to date, as another session kept a table of the store locked: try again once that has ended";
/** Explanations of errors, by their codes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const refusals: Record<string, string> = {
	"42501":
		"the database's user may not create the schema eventferry: create it with CREATE SCHEMA eventferry AUTHORIZATION and the user's name",
	"55P03": isLocked,
	"57014": takesLong,
};
