import type { DatabaseSync } from "node:sqlite";
import { StoreOpenError } from "./outbox.ts";

const version = 1;

/**
 * `event` holds each body once; `entry` is what a lane owes, in the order of event ids; `owed` counts an
 * event's entries, and the event goes with the last one. Lane and event ids are never used twice
 * (AUTOINCREMENT), so that a stale lease cannot mean another lane and a replayed event comes last.
 */
const schema = `
CREATE TABLE journal (id INTEGER PRIMARY KEY AUTOINCREMENT, batch TEXT NOT NULL, stuck TEXT) STRICT;
CREATE INDEX journal_next ON journal (id) WHERE stuck IS NULL;
CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, owed INTEGER NOT NULL, stored_at INTEGER NOT NULL) STRICT;
CREATE TABLE lane (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	site TEXT NOT NULL, destination TEXT NOT NULL, person TEXT NOT NULL,
	state TEXT NOT NULL CHECK (state IN ('ready', 'leased', 'waiting')),
	rank INTEGER NOT NULL,
	reserved INTEGER NOT NULL,
	turn INTEGER NOT NULL,
	due_at INTEGER NOT NULL DEFAULT 0,
	lease INTEGER NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL DEFAULT 0,
	unreadable INTEGER NOT NULL DEFAULT 0,
	failing_since INTEGER,
	requests INTEGER NOT NULL DEFAULT 0,
	shown INTEGER,
	owed_since INTEGER NOT NULL,
	UNIQUE (site, destination, person)
) STRICT;
CREATE INDEX lane_rank ON lane (site, destination, rank, turn) WHERE state = 'ready';
CREATE INDEX lane_turn ON lane (site, destination, turn) WHERE state = 'ready';
CREATE INDEX lane_reserved_rank ON lane (site, destination, rank, turn) WHERE state = 'ready' AND reserved = 1;
CREATE INDEX lane_reserved_turn ON lane (site, destination, turn) WHERE state = 'ready' AND reserved = 1;
CREATE INDEX lane_waiting ON lane (due_at) WHERE state = 'waiting';
CREATE INDEX lane_due ON lane (site, destination, due_at) WHERE state <> 'ready';
CREATE INDEX lane_leased ON lane (id) WHERE state = 'leased';
CREATE INDEX lane_oldest ON lane (site, destination, owed_since);
CREATE TABLE entry (
	lane INTEGER NOT NULL, event INTEGER NOT NULL, rank INTEGER NOT NULL, reserved INTEGER NOT NULL,
	past_attempts INTEGER NOT NULL DEFAULT 0, first_at INTEGER,
	PRIMARY KEY (lane, event)
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
CREATE TABLE claim (key BLOB PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX claim_until ON claim (until);
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
	rank INTEGER NOT NULL, reserved INTEGER NOT NULL,
	status INTEGER, reason TEXT NOT NULL, message TEXT,
	attempts INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letter_person ON dead_letter (site, person);
CREATE INDEX dead_letter_last ON dead_letter (last_at);
CREATE TABLE counter (
	site TEXT NOT NULL, destination TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,
	PRIMARY KEY (site, destination, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE turn (next INTEGER NOT NULL) STRICT;
INSERT INTO turn VALUES (0);
`;

/** The lock first: with it held no shared memory file is made. The page cache in KB, the write-ahead log in pages and bytes. */
const pragmas = [
	"locking_mode = EXCLUSIVE",
	"auto_vacuum = INCREMENTAL",
	"journal_mode = WAL",
	"synchronous = FULL",
	"cache_size = -65536",
	"wal_autocheckpoint = 10000",
	"journal_size_limit = 67108864",
];

/**
 * Prepares a database for the outbox: one process at a time, every commit synced (`NORMAL` loses
 * acknowledged rows on power loss), tables created. Throws {@link StoreOpenError}.
 */
export function prepare(db: DatabaseSync): void {
	db.exec(pragmas.map((pragma) => `PRAGMA ${pragma};`).join(" "));
	// The first write takes the lock, which EXCLUSIVE then keeps until the file is closed.
	db.exec("BEGIN IMMEDIATE");
	const found = Number(db.prepare("PRAGMA user_version").get()?.user_version);
	if (found > version) {
		db.exec("ROLLBACK");
		throw new StoreOpenError(`the store has schema ${found}, this eventferry knows ${version}: use a newer eventferry`);
	}
	if (found === 0) db.exec(`${schema} PRAGMA user_version = ${version};`);
	db.exec("COMMIT");
}
