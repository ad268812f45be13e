import type { DatabaseSync } from "node:sqlite";
import type { DeadLetterSelection, DestinationStats, OutboxStats, Taken, TakeRequest } from "./outbox.ts";
import { createBudgets } from "./sqlite-budget.ts";
import { createDeadLetters, type Step } from "./sqlite-dead-letters.ts";
import { createFanOut } from "./sqlite-fan-out.ts";
import { createForget } from "./sqlite-forget.ts";
import { createHolds } from "./sqlite-holds.ts";
import { createLanes } from "./sqlite-lanes.ts";
import { createLinks } from "./sqlite-links.ts";
import { createReports } from "./sqlite-reports.ts";
import { createSearch } from "./sqlite-search.ts";
import { createStatements, optionalNumber } from "./sqlite-statements.ts";

export type SqliteStore = ReturnType<typeof createSqliteStore>;

/** The counters of a destination that are no reasons. */
const plainCounters = ["owed", "lanes", "delivered", "dead", "leftOut"] as const;
const isPlain = (name: string): name is (typeof plainCounters)[number] => plainCounters.some((each) => each === name);
/** People that one sweep forgets at most. */
const knownAtOnce = 5_000;
/** Pages of the file that one sweep gives back: 20 MB. */
const vacuumPages = 5_000;

/**
 * The outbox's operations as plain functions on one SQLite database. None opens a transaction: whoever
 * calls decides what is committed together. Dates are ms, as in outbox.ts.
 */
export function createSqliteStore(db: DatabaseSync, maxBytes = Number.POSITIVE_INFINITY) {
	const statements = createStatements(db);
	const { run, get, all } = statements;

	/** Throws where what is stored has reached its size. Pages that were emptied do not count: they are filled first. */
	function ensureRoom(): void {
		if (maxBytes === Number.POSITIVE_INFINITY) return;
		const used = get(
			"SELECT (page_count - freelist_count) * page_size AS bytes FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
		);
		if (Number(used?.bytes) >= maxBytes) throw new Error("it holds as much as maxStoreBytes allows");
	}

	const deadLetters = createDeadLetters(statements);
	const { link, ...links } = createLinks(statements);
	const lanes = createLanes(statements, deadLetters.bury, link);
	const fanOut = createFanOut(statements, lanes.owe, ensureRoom);
	const { sweepBudgetUse, ...budgets } = createBudgets(statements);
	const { holdOf, hold } = createHolds(statements);

	function destinationStats(site: string, name: string): DestinationStats {
		const oldest = get("SELECT min(owed_since) AS at FROM lane WHERE site = ? AND destination = ?", site, name);
		const budget = get("SELECT used, window_start FROM budget WHERE site = ? AND destination = ?", site, name);
		return {
			destination: { site, name },
			...(budget && { budget: { used: Number(budget.used), windowStart: Number(budget.window_start) } }),
			owed: 0,
			lanes: 0,
			oldestAt: optionalNumber(oldest?.at),
			delivered: 0,
			dead: 0,
			leftOut: 0,
			discarded: {},
		};
	}

	const { takeClaim, isHeld, markClaim, ...journal } = fanOut;
	return {
		...journal,
		...lanes,
		...links,
		...createForget(statements, takeClaim),
		...createReports(statements, { takeClaim, isHeld, markClaim, append: journal.append, link }),
		...budgets,
		...createSearch(statements),
		hold,
		take(request: TakeRequest): Taken {
			const hold = holdOf(request.destination);
			return { ...(hold === request.hold ? lanes.take(request) : { leases: [], nextAt: undefined }), hold };
		},
		deadLetters: deadLetters.list,
		replayStep: (selection: DeadLetterSelection, from: Step | undefined, now: number): Step =>
			deadLetters.replayStep(selection, from, (...owed) => lanes.owe(...owed, now), now),
		discardStep: deadLetters.discardStep,

		/** Writes, so that a full or broken disk shows; a store that may not grow shows too. */
		check(): void {
			ensureRoom();
			run("UPDATE turn SET next = next");
		},

		/** Deletes some of what has outlived its use; returns whether there may be more. */
		sweep({ now, before }: { now: number; before: number }): boolean {
			const moreClaims = fanOut.sweepClaims(now);
			const moreDead = deadLetters.sweep(before);
			const moreLinks = links.sweepLinks(before);
			sweepBudgetUse(now);
			const { changes } = run(
				`DELETE FROM known WHERE (site, destination, person) IN
				(SELECT site, destination, person FROM known WHERE used_at < ? LIMIT ${knownAtOnce})`,
				before,
			);
			// Read to its end: each row it returns is a page given back.
			db.prepare(`PRAGMA incremental_vacuum(${vacuumPages})`).all();
			return moreClaims || moreDead || moreLinks || Number(changes) === knownAtOnce;
		},

		/** Writes the log into the file, so that what a sweep gave back is the disk's again. Outside a transaction. */
		checkpoint(): void {
			db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
		},

		stats(): OutboxStats {
			const journal = Number(get("SELECT count(*) AS n FROM journal WHERE stuck IS NULL")?.n);
			const stuck = Number(get("SELECT count(*) AS n FROM journal WHERE stuck IS NOT NULL")?.n);
			const pages = get("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size");
			const bytes = Number(pages?.bytes);
			const result: OutboxStats = { journal, stuck, events: 0, discarded: {}, bytes, destinations: [] };
			const found = new Map<string, DestinationStats>();
			for (const row of all("SELECT * FROM counter ORDER BY site, destination")) {
				const [site, name, counter] = [String(row.site), String(row.destination), String(row.name)];
				const value = Number(row.value);
				const reason = counter.startsWith("discarded:") ? counter.slice("discarded:".length) : undefined;
				if (name === "") {
					if (counter === "events") result.events += value;
					if (reason !== undefined) result.discarded[reason] = (result.discarded[reason] ?? 0) + value;
					continue;
				}
				const stats = found.get(`${site}\n${name}`) ?? destinationStats(site, name);
				found.set(`${site}\n${name}`, stats);
				if (reason !== undefined) stats.discarded[reason] = value;
				if (isPlain(counter)) stats[counter] = value;
			}
			result.destinations = [...found.values()];
			return result;
		},
	};
}
