import { hash } from "node:crypto";
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type {
	Batch,
	DeadLetter,
	DeadLetterPage,
	DeadLetterQuery,
	DeadLetterSelection,
	Destination,
	DestinationStats,
	Lease,
	OutboxStats,
	Settlement,
	Taken,
	TakeRequest,
} from "./outbox.ts";

type Row = Record<string, SQLInputValue>;
export type SqliteStore = ReturnType<typeof createSqliteStore>;

/** Events a fan-out transaction takes at most; a single batch may exceed it. */
const fanOutEvents = 1_000;
/** Rows a replay, discard or sweep touches at once. */
const chunk = 500;
/** Turns are numbered from memory; what the file says is this far ahead, so that it is written seldom. */
const turnBlock = 10_000;

/**
 * The outbox's operations as plain functions on one SQLite database. None opens a transaction: whoever
 * calls decides what is committed together. Dates are ms, as in outbox.ts.
 */
export function createSqliteStore(db: DatabaseSync) {
	const prepared = new Map<string, StatementSync>();
	const sql = (text: string): StatementSync => {
		let statement = prepared.get(text);
		if (!statement) {
			statement = db.prepare(text);
			prepared.set(text, statement);
		}
		return statement;
	};
	const get = (text: string, ...values: SQLInputValue[]) => sql(text).get(...values) as Row | undefined;
	const all = (text: string, ...values: SQLInputValue[]) => sql(text).all(...values) as Row[];
	const run = (text: string, ...values: SQLInputValue[]) => sql(text).run(...values);

	let turn = 0;
	let turnLimit = 0;
	function nextTurn(): number {
		if (turn === turnLimit) {
			turn = Number(get("SELECT next FROM turn")?.next);
			turnLimit = turn + turnBlock;
			run("UPDATE turn SET next = ?", turnLimit);
		}
		return turn++;
	}

	function count(site: string, destination: string, name: string, by: number): void {
		run(
			`INSERT INTO counter VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET value = value + excluded.value`,
			site,
			destination,
			name,
			by,
		);
	}

	/** Adds a written event to the end of a lane. */
	function owe(destination: Destination, person: string, event: number | bigint, now: number): void {
		const lane = get(
			`INSERT INTO lane (site, destination, person, state, turn, owed_since) VALUES (?, ?, ?, 'ready', ?, ?)
			ON CONFLICT DO UPDATE SET person = excluded.person RETURNING id`,
			destination.site,
			destination.name,
			person,
			nextTurn(),
			now,
		);
		run("INSERT INTO entry VALUES (?, ?)", lane?.id ?? null, event);
	}

	/** Takes a person's claims unless one of them is held: then the reason, and none is taken. */
	function claim(site: string, claims: Batch["events"][number]["claims"]): string | undefined {
		const keyed = claims.map((each) => ({
			...each,
			key: hash("sha256", `${site}\n${each.key}`, "buffer").subarray(0, 16),
		}));
		for (const { key, at, reason } of keyed) {
			if (get("SELECT 1 FROM claim WHERE key = ? AND since <= ? AND until > ?", key, at, at)) return reason;
		}
		for (const { key, since, until } of keyed) {
			run(
				"INSERT INTO claim VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET since = excluded.since, until = excluded.until",
				key,
				since,
				until,
			);
		}
		return undefined;
	}

	function fanOutBatch({ site, events, skipped }: Batch, now: number): void {
		const counts = new Map<string, number>();
		const add = (destination: string, name: string, by = 1) => {
			const key = `${destination}\n${name}`;
			counts.set(key, (counts.get(key) ?? 0) + by);
		};
		for (const { person, body, destinations, claims } of events) {
			add("", "events");
			const held = claim(site, claims);
			if (held !== undefined) {
				add("", `discarded:${held}`);
				continue;
			}
			if (destinations.length === 0) continue;
			const { lastInsertRowid } = run(
				"INSERT INTO event (body, owed, stored_at) VALUES (?, ?, ?)",
				body,
				destinations.length,
				now,
			);
			for (const name of destinations) {
				owe({ site, name }, person, lastInsertRowid, now);
				add(name, "owed");
			}
		}
		for (const { destination, reason, count: by } of skipped ?? []) add(destination, `discarded:${reason}`, by);
		for (const [key, by] of counts) {
			const [destination = "", name = ""] = key.split("\n");
			count(site, destination, name, by);
		}
	}

	function takeLane(row: Row, { destination, deliveries, now, leaseMs }: TakeRequest): Lease {
		const lane = Number(row.id);
		const number = Number(row.lease) + 1;
		run("UPDATE lane SET state = 'leased', lease = ?, due_at = ? WHERE id = ?", number, now + leaseMs, lane);
		const person = String(row.person);
		const known = get(
			"SELECT value FROM known WHERE site = ? AND destination = ? AND person = ?",
			destination.site,
			destination.name,
			person,
		);
		return {
			destination,
			lane,
			number,
			person,
			known: known && String(known.value),
			attempts: Number(row.attempts),
			unreadable: Number(row.unreadable),
			failingSince: row.failing_since === null ? undefined : Number(row.failing_since),
			bodies: all(
				"SELECT body FROM entry JOIN event ON event.id = entry.event WHERE lane = ? ORDER BY event LIMIT ?",
				lane,
				deliveries,
			).map(({ body }) => String(body)),
		};
	}

	/** Ends the leading deliveries of a lane; a dead one is kept with its body. */
	function end({ lease, now, ended }: Settlement, lane: Row): void {
		if (!ended) return;
		const { site, name } = lease.destination;
		const { ending } = ended;
		const events = all("SELECT event FROM entry WHERE lane = ? ORDER BY event LIMIT ?", lease.lane, ended.count);
		for (const { event = null } of events) {
			if (ending.kind === "dead") {
				run(
					`INSERT INTO dead_letter (site, destination, person, body, status, reason, message, attempts, first_at, last_at)
					SELECT ?, ?, ?, body, ?, ?, ?, ?, ?, ? FROM event WHERE id = ?`,
					site,
					name,
					lease.person,
					ending.status ?? null,
					ending.reason,
					ending.message ?? null,
					Number(lane.attempts) + 1,
					lane.failing_since ?? now,
					now,
					event,
				);
			}
			run("DELETE FROM entry WHERE lane = ? AND event = ?", lease.lane, event);
			run("UPDATE event SET owed = owed - 1 WHERE id = ?", event);
			run("DELETE FROM event WHERE id = ? AND owed = 0", event);
		}
		count(site, name, "owed", -events.length);
		if (ending.kind === "delivered") count(site, name, "delivered", events.length);
		if (ending.kind === "dead") count(site, name, "dead", events.length);
		if (ending.kind === "discarded") count(site, name, `discarded:${ending.reason}`, events.length);
	}

	function deadLetter(row: Row): DeadLetter {
		return {
			id: String(row.id),
			site: String(row.site),
			destination: String(row.destination),
			body: String(row.body),
			...(row.status !== null && { status: Number(row.status) }),
			reason: String(row.reason),
			...(row.message !== null && { message: String(row.message) }),
			attempts: Number(row.attempts),
			firstAt: Number(row.first_at),
			lastAt: Number(row.last_at),
		};
	}

	const selected = `(?1 IS NULL OR destination = ?1) AND (?2 IS NULL OR reason = ?2)
		AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))`;
	const selection = ({ destination, reason, ids }: DeadLetterSelection): SQLInputValue[] => [
		destination ?? null,
		reason ?? null,
		ids ? JSON.stringify(ids.map(Number)) : null,
	];

	/** Runs `each` over the selected dead letters that exist now, in order, a bounded number in memory. */
	function overDeadLetters(chosen: DeadLetterSelection, each: (row: Row) => void): number {
		const last = Number(get("SELECT max(id) AS id FROM dead_letter")?.id ?? 0);
		let after = 0;
		let done = 0;
		for (;;) {
			const rows = all(
				`SELECT * FROM dead_letter WHERE ${selected} AND id > ?4 AND id <= ?5 ORDER BY id LIMIT ${chunk}`,
				...selection(chosen),
				after,
				last,
			);
			for (const row of rows) {
				each(row);
				run("DELETE FROM dead_letter WHERE id = ?", row.id ?? null);
				count(String(row.site), String(row.destination), "dead", -1);
			}
			done += rows.length;
			if (rows.length < chunk) return done;
			after = Number(rows.at(-1)?.id);
		}
	}

	return {
		/** Makes lanes of a former process's leases ready: in one file there is one process. */
		releaseLeases(): void {
			run("UPDATE lane SET state = 'ready' WHERE state = 'leased'");
		},

		append(batch: Batch): void {
			run("INSERT INTO journal (batch) VALUES (?)", JSON.stringify(batch));
		},

		hasJournal(): boolean {
			return get("SELECT 1 FROM journal LIMIT 1") !== undefined;
		},

		/** Turns the oldest journal rows into entries; returns whether some are left. */
		fanOut(now: number): boolean {
			let events = 0;
			while (events < fanOutEvents) {
				const row = get("SELECT id, batch FROM journal ORDER BY id LIMIT 1");
				if (!row) return false;
				const batch = JSON.parse(String(row.batch)) as Batch;
				fanOutBatch(batch, now);
				run("DELETE FROM journal WHERE id = ?", row.id ?? null);
				events += batch.events.length;
			}
			return this.hasJournal();
		},

		take(request: TakeRequest): Taken {
			const { site, name } = request.destination;
			run(
				"UPDATE lane SET state = 'ready' WHERE site = ? AND destination = ? AND state <> 'ready' AND due_at <= ?",
				site,
				name,
				request.now,
			);
			const rows = all(
				"SELECT * FROM lane WHERE site = ? AND destination = ? AND state = 'ready' ORDER BY turn LIMIT ?",
				site,
				name,
				request.lanes,
			);
			const leases = rows.map((row) => takeLane(row, request));
			const next = get(
				"SELECT min(due_at) AS at FROM lane WHERE site = ? AND destination = ? AND state <> 'ready'",
				site,
				name,
			);
			return { leases, nextAt: next?.at == null ? undefined : Number(next.at) };
		},

		settle(settlement: Settlement): boolean {
			const { lease, now, failed, known } = settlement;
			const lane = get("SELECT * FROM lane WHERE id = ? AND lease = ? AND state = 'leased'", lease.lane, lease.number);
			if (!lane) return false;
			const { site, name } = lease.destination;
			if (known !== undefined) {
				run(
					"INSERT INTO known VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
					site,
					name,
					lease.person,
					known,
				);
			}
			end(settlement, lane);
			if (!get("SELECT 1 FROM entry WHERE lane = ? LIMIT 1", lease.lane)) {
				run("DELETE FROM lane WHERE id = ?", lease.lane);
			} else if (failed) {
				run(
					"UPDATE lane SET state = 'waiting', due_at = ?, attempts = attempts + 1, unreadable = unreadable + ?, failing_since = coalesce(failing_since, ?) WHERE id = ?",
					failed.dueAt,
					failed.unreadable ? 1 : 0,
					now,
					lease.lane,
				);
			} else {
				run("UPDATE lane SET state = 'ready', turn = ? WHERE id = ?", nextTurn(), lease.lane);
				if (settlement.ended) {
					run(
						`UPDATE lane SET attempts = 0, unreadable = 0, failing_since = NULL, owed_since =
						(SELECT stored_at FROM entry JOIN event ON event.id = entry.event WHERE lane = lane.id ORDER BY event LIMIT 1) WHERE id = ?`,
						lease.lane,
					);
				}
			}
			return true;
		},

		deadLetters({ destination, limit, cursor }: DeadLetterQuery): DeadLetterPage {
			const rows = all(
				"SELECT * FROM dead_letter WHERE (?1 IS NULL OR destination = ?1) AND id > ?2 ORDER BY id LIMIT ?3",
				destination ?? null,
				Number(cursor ?? 0),
				limit + 1,
			);
			const items = rows.slice(0, limit).map(deadLetter);
			const last = items.at(-1);
			return rows.length > limit && last ? { items, cursor: last.id } : { items };
		},

		replay(chosen: DeadLetterSelection, now: number): number {
			return overDeadLetters(chosen, (row) => {
				const destination = { site: String(row.site), name: String(row.destination) };
				const { lastInsertRowid } = run(
					"INSERT INTO event (body, owed, stored_at) VALUES (?, 1, ?)",
					row.body ?? null,
					now,
				);
				owe(destination, String(row.person), lastInsertRowid, now);
				count(destination.site, destination.name, "owed", 1);
			});
		},

		discard(chosen: DeadLetterSelection): number {
			return overDeadLetters(chosen, () => {});
		},

		/** Writes, so that a full or broken disk shows. */
		check(): void {
			run("UPDATE turn SET next = next");
		},

		sweep({ now, deadBefore }: { now: number; deadBefore: number }): void {
			run(`DELETE FROM claim WHERE key IN (SELECT key FROM claim WHERE until <= ? LIMIT ${chunk * 10})`, now);
			const old = all(`SELECT id, site, destination FROM dead_letter WHERE last_at < ? LIMIT ${chunk}`, deadBefore);
			for (const row of old) {
				run("DELETE FROM dead_letter WHERE id = ?", row.id ?? null);
				count(String(row.site), String(row.destination), "dead", -1);
			}
			db.exec("PRAGMA incremental_vacuum(1000)");
		},

		stats(): OutboxStats {
			const result: OutboxStats = {
				journal: Number(get("SELECT count(*) AS n FROM journal")?.n),
				events: 0,
				discarded: {},
				destinations: [],
			};
			const found = new Map<string, DestinationStats>();
			for (const row of all("SELECT * FROM counter ORDER BY site, destination")) {
				const [site, name, counter, value] = [
					String(row.site),
					String(row.destination),
					String(row.name),
					Number(row.value),
				];
				const reason = counter.startsWith("discarded:") ? counter.slice("discarded:".length) : undefined;
				if (name === "") {
					if (counter === "events") result.events += value;
					if (reason !== undefined) result.discarded[reason] = (result.discarded[reason] ?? 0) + value;
					continue;
				}
				let stats = found.get(`${site}\n${name}`);
				if (!stats) {
					const oldest = get("SELECT min(owed_since) AS at FROM lane WHERE site = ? AND destination = ?", site, name);
					stats = {
						destination: { site, name },
						owed: 0,
						lanes: Number(get("SELECT count(*) AS n FROM lane WHERE site = ? AND destination = ?", site, name)?.n),
						oldestAt: oldest?.at == null ? undefined : Number(oldest.at),
						delivered: 0,
						dead: 0,
						discarded: {},
					};
					found.set(`${site}\n${name}`, stats);
				}
				if (reason !== undefined) stats.discarded[reason] = value;
				else if (counter === "owed" || counter === "delivered" || counter === "dead") stats[counter] = value;
			}
			result.destinations = [...found.values()];
			return result;
		},
	};
}
