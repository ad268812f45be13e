import type { DatabaseSync } from "node:sqlite";
import { keyBytes } from "../claim-key.ts";
import { newerSchema, StoreOpenError } from "../errors.ts";
import { siteItself, untrustedClaims } from "../tally.ts";
import { ordinals } from "./claims.ts";

/** Schema version of a file whose contents were moved to PostgreSQL. */
export const moved = 1_000_000;

/**
 * SQL that creates the table of lanes. A lane is `behind` while the person has one with more trust at the destination; a
 * reserved one never is.
 */
const lanes = `
CREATE TABLE lane (
	id INTEGER PRIMARY KEY,
	destination INTEGER NOT NULL, person TEXT NOT NULL,
	trusted INTEGER NOT NULL, reserved INTEGER NOT NULL, behind INTEGER NOT NULL DEFAULT 0,
	rank INTEGER NOT NULL,
	turn INTEGER NOT NULL,
	due_at INTEGER NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL DEFAULT 0,
	unreadable INTEGER NOT NULL DEFAULT 0,
	failing_since INTEGER,
	requests INTEGER NOT NULL DEFAULT 0,
	shown INTEGER,
	owed_since INTEGER NOT NULL,
	UNIQUE (person, destination, trusted, reserved)
) STRICT;
CREATE INDEX lane_rank ON lane (destination, rank, turn) WHERE due_at = 0 AND behind = 0;
CREATE INDEX lane_turn ON lane (destination, turn) WHERE due_at = 0 AND behind = 0;
CREATE INDEX lane_reserved_rank ON lane (destination, rank, turn) WHERE due_at = 0 AND reserved = 1;
CREATE INDEX lane_reserved_turn ON lane (destination, turn) WHERE due_at = 0 AND reserved = 1;
CREATE INDEX lane_due ON lane (destination, due_at) WHERE due_at > 0;
CREATE INDEX lane_oldest ON lane (destination, owed_since);
`;

/** SQL that creates the index of the dead letters that give way in a full store. */
const untrustedDeadLetters = `CREATE INDEX dead_letter_untrusted ON dead_letter (id) WHERE trusted = 0;
`;

/** SQL that creates the index of the claims that give way in a full store. */
const claimEndUntrusted = `CREATE INDEX claim_end_untrusted ON claim_end (until) WHERE trusted = 0;
`;

/**
 * SQL that creates the tables. A row of `journal` is a batch that is not fanned out; its id is the id of its first
 * bundle. A row of `bundle` has the bodies of a bundle, a row of `owing` the number of lanes that owe some of its events,
 * a row of `entry` the deliveries that one lane owes of it. Ids of bundles and lanes, and turns, come from `number`.
 */
const schema = `
CREATE TABLE number (next INTEGER NOT NULL) STRICT;
INSERT INTO number VALUES (1);
CREATE TABLE destination (id INTEGER PRIMARY KEY, site TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (site, name)) STRICT;
CREATE TABLE journal (
	id INTEGER PRIMARY KEY, head TEXT NOT NULL, keys BLOB NOT NULL, stuck TEXT, stored_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX journal_next ON journal (id) WHERE stuck IS NULL;
CREATE TABLE bundle (
	id INTEGER PRIMARY KEY, site TEXT NOT NULL, person TEXT NOT NULL, events INTEGER NOT NULL, bodies BLOB NOT NULL
) STRICT;
CREATE TABLE owing (bundle INTEGER PRIMARY KEY, lanes INTEGER NOT NULL, stored_at INTEGER NOT NULL) STRICT;
${lanes}CREATE TABLE entry (
	lane INTEGER NOT NULL, bundle INTEGER NOT NULL, rank INTEGER NOT NULL, deliveries BLOB NOT NULL,
	past_attempts INTEGER NOT NULL DEFAULT 0, first_at INTEGER,
	PRIMARY KEY (lane, bundle)
) STRICT, WITHOUT ROWID;
CREATE TABLE budget (
	site TEXT NOT NULL, destination TEXT NOT NULL,
	window_start INTEGER NOT NULL, used INTEGER NOT NULL, tokens REAL NOT NULL, refilled_at INTEGER NOT NULL,
	PRIMARY KEY (site, destination)
) STRICT, WITHOUT ROWID;
CREATE TABLE budget_use (
	site TEXT NOT NULL, destination TEXT NOT NULL, at INTEGER NOT NULL, used INTEGER NOT NULL,
	PRIMARY KEY (site, destination, at)
) STRICT, WITHOUT ROWID;
CREATE TABLE hold (
	site TEXT NOT NULL, destination TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (site, destination)
) STRICT, WITHOUT ROWID;
CREATE TABLE claim (
	key BLOB PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL, trusted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE claim_end (
	id INTEGER PRIMARY KEY, until INTEGER NOT NULL, keys BLOB NOT NULL, trusted INTEGER NOT NULL
) STRICT;
CREATE INDEX claim_end_until ON claim_end (until);
${claimEndUntrusted}CREATE TABLE ordinal (n INTEGER PRIMARY KEY) STRICT;
WITH RECURSIVE o (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM o WHERE n < ${ordinals - 1}) INSERT INTO ordinal SELECT n FROM o;
CREATE TABLE known (
	site TEXT NOT NULL, destination TEXT NOT NULL, person TEXT NOT NULL, value TEXT NOT NULL, used_at INTEGER NOT NULL,
	PRIMARY KEY (site, destination, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_used ON known (used_at);
CREATE TABLE link (
	site TEXT NOT NULL, destination TEXT NOT NULL, alias TEXT NOT NULL, person TEXT NOT NULL, used_at INTEGER NOT NULL,
	PRIMARY KEY (site, destination, alias)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_person ON link (site, person);
CREATE INDEX link_used ON link (used_at);
CREATE TABLE dead_letter (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	site TEXT NOT NULL, destination TEXT NOT NULL, person TEXT NOT NULL, body TEXT NOT NULL,
	rank INTEGER NOT NULL, reserved INTEGER NOT NULL, trusted INTEGER NOT NULL,
	status INTEGER, reason TEXT NOT NULL, message TEXT,
	attempts INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letter_person ON dead_letter (site, person);
CREATE INDEX dead_letter_last ON dead_letter (last_at);
${untrustedDeadLetters}CREATE TABLE counter (
	destination INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (destination, name)
) STRICT, WITHOUT ROWID;
`;

const version = 2;
/**
 * SQL that makes version 2 from version 1, where a person had one lane at a destination, and all trusted events, but no
 * others, were allowed to spend the reserve. These lanes stay whole, as lanes of trusted events, to keep their order.
 * Claims of version 1 may be of anybody, so they count as untrusted.
 */
const fromVersion1 = `
CREATE TABLE former AS SELECT * FROM lane;
DROP TABLE lane;
${lanes}
INSERT INTO lane (id, destination, person, trusted, reserved, rank, turn, due_at, attempts, unreadable, failing_since,
	requests, shown, owed_since)
SELECT id, destination, person, 1, reserved, rank, turn, due_at, attempts, unreadable, failing_since, requests, shown,
	owed_since FROM former;
DROP TABLE former;
ALTER TABLE journal ADD COLUMN stored_at INTEGER NOT NULL DEFAULT 0;
UPDATE journal SET stored_at = unixepoch() * 1000;
ALTER TABLE dead_letter ADD COLUMN trusted INTEGER NOT NULL DEFAULT 0;
UPDATE dead_letter SET trusted = reserved;
${untrustedDeadLetters}ALTER TABLE claim ADD COLUMN trusted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claim_end ADD COLUMN trusted INTEGER NOT NULL DEFAULT 0;
${claimEndUntrusted}INSERT INTO destination (site, name) VALUES ('', '${siteItself}');
INSERT INTO counter SELECT last_insert_rowid(), '${untrustedClaims}', coalesce(sum(length(keys)), 0) / ${keyBytes} FROM claim_end;
`;

/**
 * Settings of a connection, https://sqlite.org/pragma.html. Every commit syncs the disk: with `synchronous = NORMAL`, a
 * power failure would lose acknowledged batches. A negative cache_size is in KiB, wal_autocheckpoint in pages,
 * journal_size_limit in bytes.
 */
const pragmas = [
	"auto_vacuum = INCREMENTAL",
	"journal_mode = WAL",
	"synchronous = FULL",
	"temp_store = MEMORY",
	"cache_size = -16384",
	"wal_autocheckpoint = 10000",
	"journal_size_limit = 67108864",
];

/** Sets up a connection. */
export const configure = (db: DatabaseSync): void => db.exec(pragmas.map((pragma) => `PRAGMA ${pragma};`).join(" "));

/** Prepares a database for the outbox: creates the tables, or brings them up to date. Throws {@link StoreOpenError}. */
export function prepare(db: DatabaseSync, { allowMoved = false } = {}): void {
	configure(db);
	db.exec("BEGIN IMMEDIATE");
	const found = Number(db.prepare("PRAGMA user_version").get()?.user_version);
	if (found === moved && allowMoved) {
		db.exec("COMMIT");
		return;
	}
	if (found > version) {
		db.exec("ROLLBACK");
		if (found === moved)
			throw new StoreOpenError("the store was moved with eventferry migrate: open the database it was moved to");
		throw newerSchema(found, version);
	}
	if (found < version) db.exec(`${found === 0 ? schema : fromVersion1} PRAGMA user_version = ${version};`);
	db.exec("COMMIT");
}
