import type { DatabaseSync } from "node:sqlite";
import type { DeadLetterSelection } from "../dead-letter.ts";
import type { Destination } from "../destination.ts";
import type { Taken, TakeRequest } from "../lease.ts";
import { sweepSize } from "../limits.ts";
import { optionalNumber } from "../row.ts";
import type { OutboxStats } from "../tally.ts";
import { tally } from "../tally.ts";
import { createBudgets } from "./budget.ts";
import { createBundles } from "./bundles.ts";
import { createClaims } from "./claims.ts";
import { createCounters } from "./counters.ts";
import { createDeadLetters, type Step } from "./dead-letters.ts";
import { createDestinations } from "./destinations.ts";
import { createFanOut } from "./fan-out.ts";
import { createForget } from "./forget.ts";
import { createHolds } from "./holds.ts";
import { createLanes } from "./lanes.ts";
import { createLeases } from "./leases.ts";
import { createLinks } from "./links.ts";
import { createNumbers } from "./numbers.ts";
import { createReports } from "./reports.ts";
import { createRoom } from "./room.ts";
import { createSearch } from "./search.ts";
import { createStatements } from "./statements.ts";
import { createTransactions } from "./transaction.ts";

export type SqliteStore = ReturnType<typeof createSqliteStore>;

/** Pages of the file that one sweep gives back: 20 MB. */
const vacuumPages = 5_000;

/**
 * The outbox's operations as plain functions on one SQLite database. None opens a transaction: whoever
 * calls decides what is committed together. Dates are ms, as in outbox.ts.
 */
export function createSqliteStore(db: DatabaseSync, maxBytes?: number) {
	const statements = createStatements(db);
	const { run, get } = statements;
	const transactions = createTransactions(db);
	const numbers = createNumbers(statements, transactions);
	const destinations = createDestinations(statements, transactions);
	const counters = createCounters(statements, transactions);
	const bundles = createBundles(statements);
	const claims = createClaims(statements, transactions);
	const shared = { statements, transactions, numbers, destinations, counters, bundles, claims };
	const deadLetters = createDeadLetters(shared);
	const lanes = createLanes({ ...shared, bury: deadLetters.bury });
	const { link, ...links } = createLinks(statements);
	const leases = createLeases({ ...shared, lanes, link });
	const room = createRoom(statements, maxBytes);
	const journal = createFanOut({ ...shared, owe: lanes.owe, ensureRoom: room.ensureRoom });
	const { sweepBudgetUse, ...budgets } = createBudgets(statements);
	const { holdOf, hold } = createHolds(statements);
	const { idOf } = destinations;

	/** The statistics of a destination that no counter holds. */
	function current(site: string, name: string) {
		const oldest = get("SELECT min(owed_since) AS at FROM lane WHERE destination = ?", idOf(site, name));
		const budget = get("SELECT used, window_start FROM budget WHERE site = ? AND destination = ?", site, name);
		return {
			...(budget && { budget: { used: Number(budget.used), windowStart: Number(budget.window_start) } }),
			oldestAt: optionalNumber(oldest?.at),
		};
	}

	return {
		transactions,
		...journal,
		...links,
		...createForget({ ...shared, lanes, leases }),
		...createReports({ ...shared, append: journal.append, link }),
		...budgets,
		...createSearch({ ...shared, lanes, leases }),
		recover: lanes.recover,
		hold,
		take(request: TakeRequest): Taken {
			const hold = holdOf(request.destination);
			return { ...(hold === request.hold ? leases.take(request) : { leases: [], nextAt: undefined }), hold };
		},
		settle: leases.settle,
		expire: ({ destination, before, now }: { destination: Destination; before: number; now: number }): number =>
			lanes.expire(
				idOf(destination.site, destination.name),
				before,
				now,
				(lane) => leases.leasedUntil(lane) !== undefined,
			),
		deadLetters: deadLetters.list,
		/** Not before what came earlier is in its lanes: that has the lower numbers, and would slip in before what is replayed. */
		replayStep: (selection: DeadLetterSelection, from: Step | undefined, now: number): Step =>
			journal.waiting() > 0 ? deadLetters.waitStep(from) : deadLetters.replayStep(selection, from, lanes.owe, now),
		discardStep: deadLetters.discardStep,

		/** Writes, so that a full or broken disk shows; a store that may not grow shows too. */
		check(): void {
			room.look();
			run("UPDATE number SET next = next");
		},

		/** Deletes some of what has outlived its use; returns whether there may be more. */
		sweep({ now, before }: { now: number; before: number }): boolean {
			const moreClaims = claims.sweepClaims(now);
			const moreDead = deadLetters.sweep(before);
			const moreLinks = links.sweepLinks(before);
			sweepBudgetUse(now);
			const { changes } = run(
				`DELETE FROM known WHERE (site, destination, person) IN
				(SELECT site, destination, person FROM known WHERE used_at < ? LIMIT ${sweepSize})`,
				before,
			);
			// Read to its end: each row it returns is a page given back.
			db.prepare(`PRAGMA incremental_vacuum(${vacuumPages})`).all();
			return moreClaims || moreDead || moreLinks || Number(changes) === sweepSize;
		},

		/** Writes the log into the file, so that what a sweep gave back is the disk's again. Outside a transaction. */
		checkpoint(): void {
			db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
		},

		stats(): OutboxStats {
			const journal = Number(get("SELECT count(*) AS n FROM journal WHERE stuck IS NULL")?.n);
			const stuck = Number(get("SELECT count(*) AS n FROM journal WHERE stuck IS NOT NULL")?.n);
			const pages = get("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size");
			return { ...tally(counters.counters(), current), journal, stuck, bytes: Number(pages?.bytes) };
		},
	};
}
