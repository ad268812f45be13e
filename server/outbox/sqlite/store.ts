import type { DatabaseSync } from "node:sqlite";
import type { JournalRow } from "../journal-row.ts";
import type { LinkRequest } from "../outbox.ts";
import { linkBytes } from "../report.ts";
import { createBudgets } from "./budget.ts";
import { busyMs } from "./database.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { createEnds } from "./ends.ts";
import { createExpiry } from "./expire.ts";
import { createFanOut } from "./fan-out.ts";
import { createForget } from "./forget.ts";
import { createReports } from "./reports.ts";
import type { RoomOptions } from "./room.ts";
import { createSearch } from "./search.ts";
import { createSetAside } from "./set-aside.ts";
import { createSettling } from "./settle.ts";
import { createShared } from "./shared.ts";
import { createStats } from "./stats.ts";
import { createSweep } from "./sweep.ts";

export type SqliteStore = ReturnType<typeof createSqliteStore>;

/**
 * Makes the operations of the outbox on an SQLite database. They run in the caller's transaction, as the caller decides
 * which of them share a commit.
 */
export function createSqliteStore(db: DatabaseSync, options?: RoomOptions) {
	const shared = createShared(db, options);
	const { transactions, room, holds, links, lanes, leases, journal } = shared;
	const budgets = createBudgets(shared);
	const deadLetters = createDeadLetters(shared);
	const ends = createEnds(shared, deadLetters);

	return {
		append: (row: JournalRow) => journal.append(row, row.trusted),
		take: leases.take,
		settle: createSettling(shared, ends),
		hold: holds.hold,
		advance: budgets.advance,
		budgetUse: budgets.budgetUse,
		expire: createExpiry(shared, ends),
		receive: createReports(shared),
		linked: links.linked,
		link({ site, links: all, now }: LinkRequest): void {
			room.ensureRoom(linkBytes(all), true);
			for (const each of all) links.link(site, each, now);
		},
		deadLetters: deadLetters.deadLetters,
		replayStep: deadLetters.replayStep,
		discardStep: deadLetters.discardStep,
		...createSetAside(shared),
		forget: createForget(shared),
		...createSearch(shared),
		stats: createStats(shared),
		sweep: createSweep(shared, deadLetters, budgets),
		check: room.check,

		transactions,
		makeRoom: room.makeRoom,
		recover: lanes.recover,
		waiting: journal.waiting,
		...createFanOut(shared),
		/**
		 * Writes the write-ahead log into the file, which then shrinks after a sweep. Does not wait for other processes that
		 * read the file. Must run outside a transaction.
		 */
		checkpoint(): void {
			db.exec(`PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = ${busyMs}`);
		},
	};
}
