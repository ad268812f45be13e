import type { DatabaseSync } from "node:sqlite";
import { createBudgets } from "./budget.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { createEnds } from "./ends.ts";
import { createEntries } from "./entries.ts";
import { createExpiry } from "./expire.ts";
import { createFanOut } from "./fan-out.ts";
import { createForget } from "./forget.ts";
import { createHolds } from "./holds.ts";
import { createJournal } from "./journal.ts";
import { createLanes } from "./lanes.ts";
import { createLeases } from "./leases.ts";
import { createLinks } from "./links.ts";
import { createReports } from "./reports.ts";
import { createRoom } from "./room.ts";
import { createSearch } from "./search.ts";
import { createSettling } from "./settle.ts";
import { createShared } from "./shared.ts";
import { createStats } from "./stats.ts";
import { createSweep } from "./sweep.ts";

export type SqliteStore = ReturnType<typeof createSqliteStore>;

/**
 * Makes the operations of the outbox on an SQLite database. They run in the caller's transaction, as the caller decides
 * which of them share a commit.
 */
export function createSqliteStore(db: DatabaseSync, maxBytes?: number) {
	const shared = createShared(db);
	const room = createRoom(shared.statements, maxBytes);
	const links = createLinks(shared.statements);
	const budgets = createBudgets(shared.statements);
	const holds = createHolds(shared.statements);
	const entries = createEntries(shared);
	const lanes = createLanes(shared);
	const leases = createLeases(shared, entries, holds);
	const journal = createJournal(shared, room);
	const { fanOut, setAside } = createFanOut(shared, journal, lanes);
	const deadLetters = createDeadLetters(shared, journal, lanes);
	const ends = createEnds(shared, lanes, deadLetters);
	const settle = createSettling(shared, lanes, leases, ends, links);
	const expire = createExpiry(shared, lanes, leases, ends);
	const forget = createForget(shared, lanes, leases);
	const receive = createReports(shared, journal, links);
	const { findOwed, findEvents } = createSearch(shared, lanes, entries, leases);
	const stats = createStats(shared);
	const sweep = createSweep(shared, deadLetters, budgets);

	return {
		append: journal.append,
		take: leases.take,
		settle,
		hold: holds.hold,
		advance: budgets.advance,
		budgetUse: budgets.budgetUse,
		expire,
		receive,
		linked: links.linked,
		deadLetters: deadLetters.deadLetters,
		replayStep: deadLetters.replayStep,
		discardStep: deadLetters.discardStep,
		forget,
		findOwed,
		findEvents,
		stats,
		sweep,
		check: room.check,

		transactions: shared.transactions,
		recover: lanes.recover,
		waiting: journal.waiting,
		fanOut,
		setAside,
		/** Writes the write-ahead log into the file, which shrinks after a sweep. Must be called outside a transaction. */
		checkpoint(): void {
			db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
		},
	};
}
