import type { Destination, Ending, Lease, Link, Settlement, Taken, TakeRequest } from "./outbox.ts";
import { optionalNumber, type Row, type Statements } from "./sqlite-statements.ts";

/** Deliveries of a lane that are looked at for its rank: as many as a lease shows. */
const lookAhead = 100;
/** Every so many leases one goes by waiting alone. */
const longestEvery = 10;
/** Turns are numbered from memory; what the file says is this far ahead, so that it is written seldom. */
const turnBlock = 10_000;
/** A lane waits no longer than this: more means that the clock was set back since. */
const longestWaitMs = 900_000;
/** Lanes that expiry looks at in one go. */
const expireLanes = 200;

export interface Owed {
	event: number | bigint;
	rank: number;
	reserved: boolean;
	/** What a replayed dead letter brings along. */
	past?: { attempts: number; firstAt: number };
}

interface KnownLane {
	id: number | bigint;
	rank: number;
}
/** Lanes of one site by destination and person, as found or made in this very transaction. */
export type KnownLanes = Map<string, KnownLane>;

/** Puts what ended dead aside; given by dead-letters. */
type Bury = (entry: Row, lane: Row, ending: Extract<Ending, { kind: "dead" }>, attempts: number, now: number) => void;

/** Remembers a destination's own name for a person; given by reports. */
type RememberLink = (site: string, link: Link, now: number) => void;

/** The lanes: what is owed to whom, whose turn it is, and what became of it. */
export function createLanes({ run, get, all, count }: Statements, bury: Bury, link: RememberLink) {
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

	/** Ends a lane's leading deliveries, and sets what the lane is from what is left. Its state is set by the caller. */
	function end(lane: Row, deliveries: number, ending: Ending, now: number, attemptsNow = 1): { isEmpty: boolean } {
		const [site, name] = [String(lane.site), String(lane.destination)];
		const entries = all("SELECT * FROM entry WHERE lane = ? ORDER BY event LIMIT ?", lane.id ?? null, deliveries);
		for (const [place, entry] of entries.entries()) {
			const event = entry.event ?? null;
			// What a lane has tried it has tried for its first delivery.
			const attempts = place === 0 ? Number(lane.attempts) + attemptsNow : attemptsNow;
			if (ending.kind === "dead") bury(entry, lane, ending, attempts, now);
			run("DELETE FROM entry WHERE lane = ? AND event = ?", lane.id ?? null, event);
			run("UPDATE event SET owed = owed - 1 WHERE id = ?", event);
			run("DELETE FROM event WHERE id = ? AND owed = 0", event);
		}
		count(site, name, "owed", -entries.length);
		count(site, name, ending.kind === "discarded" ? `discarded:${ending.reason}` : ending.kind, entries.length);
		const first = get(
			`SELECT entry.reserved, stored_at FROM entry JOIN event ON event.id = entry.event
			WHERE lane = ? ORDER BY event LIMIT 1`,
			lane.id ?? null,
		);
		if (!first) {
			run("DELETE FROM lane WHERE id = ?", lane.id ?? null);
			count(site, name, "lanes", -1);
			return { isEmpty: true };
		}
		run(
			`UPDATE lane SET attempts = 0, unreadable = 0, failing_since = NULL, requests = 0, shown = NULL,
			owed_since = ?1, reserved = ?2, rank =
			(SELECT min(rank) FROM (SELECT rank FROM entry WHERE lane = ?3 ORDER BY event LIMIT ${lookAhead})) WHERE id = ?3`,
			first.stored_at ?? null,
			first.reserved ?? null,
			lane.id ?? null,
		);
		return { isEmpty: false };
	}

	/** The next lane whose turn it is. */
	function choose({ destination: { site, name }, served, reservedOnly }: TakeRequest, taken: number): Row | undefined {
		const isLongest = (served + taken) % longestEvery === longestEvery - 1;
		return get(
			`SELECT * FROM lane WHERE site = ? AND destination = ? AND state = 'ready'
			${reservedOnly ? "AND reserved = 1" : ""} ORDER BY ${isLongest ? "turn" : "rank, turn"} LIMIT 1`,
			site,
			name,
		);
	}

	function lease(row: Row, { destination, deliveries, now, leaseMs }: TakeRequest): Lease {
		const number = Number(row.lease) + 1;
		const person = String(row.person);
		run("UPDATE lane SET state = 'leased', lease = ?, due_at = ? WHERE id = ?", number, now + leaseMs, row.id ?? null);
		const known = get(
			"SELECT value FROM known WHERE site = ? AND destination = ? AND person = ?",
			destination.site,
			destination.name,
			person,
		);
		const bodies = all(
			"SELECT body FROM entry JOIN event ON event.id = entry.event WHERE lane = ? ORDER BY event LIMIT ?",
			row.id ?? null,
			Math.min(deliveries, optionalNumber(row.shown) ?? deliveries),
		);
		return {
			destination,
			lane: Number(row.id),
			number,
			person,
			known: known && String(known.value),
			attempts: Number(row.attempts),
			unreadable: Number(row.unreadable),
			failingSince: optionalNumber(row.failing_since),
			requests: Number(row.requests),
			bodies: bodies.map(({ body }) => String(body)),
		};
	}

	return {
		/** After a rollback the file knows best which turns are free. */
		forgetTurns(): void {
			turn = turnLimit;
		},

		/** What a new process finds: no lease is held by anybody, and no lane waits for a time that a clock set back made far. */
		recover(now: number): void {
			run("UPDATE lane SET state = 'ready' WHERE state = 'leased'");
			run("UPDATE lane SET due_at = ?1 WHERE state = 'waiting' AND due_at > ?1", now + longestWaitMs);
		},

		/** Adds a written event to the end of a person's lane. Whoever calls counts it as owed. */
		owe(
			{ site, name }: Destination,
			person: string,
			{ event, rank, reserved, past }: Owed,
			now: number,
			known: KnownLanes = new Map(),
		): void {
			const key = `${name}\n${person}`;
			let lane =
				known.get(key) ??
				(get("SELECT id, rank FROM lane WHERE site = ? AND destination = ? AND person = ?", site, name, person) as
					| KnownLane
					| undefined);
			if (lane === undefined) {
				const { lastInsertRowid: id } = run(
					`INSERT INTO lane (site, destination, person, state, rank, reserved, turn, owed_since)
					VALUES (?, ?, ?, 'ready', ?, ?, ?, ?)`,
					site,
					name,
					person,
					rank,
					reserved ? 1 : 0,
					nextTurn(),
					now,
				);
				count(site, name, "lanes", 1);
				lane = { id, rank };
			} else if (rank < lane.rank) {
				run("UPDATE lane SET rank = ? WHERE id = ?", rank, lane.id);
				lane = { ...lane, rank };
			}
			known.set(key, lane);
			run(
				"INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)",
				lane.id,
				event,
				rank,
				reserved ? 1 : 0,
				past?.attempts ?? 0,
				past?.firstAt ?? null,
			);
		},

		take(request: TakeRequest): Omit<Taken, "hold"> {
			const { site, name } = request.destination;
			run(
				`UPDATE lane SET state = 'ready' WHERE site = ? AND destination = ? AND state <> 'ready' AND due_at <= ?
				AND id NOT IN (SELECT value FROM json_each(?))`,
				site,
				name,
				request.now,
				JSON.stringify(request.holding),
			);
			const leases: Lease[] = [];
			while (leases.length < request.lanes) {
				const row = choose(request, leases.length);
				if (!row) break;
				leases.push(lease(row, request));
			}
			const next = get(
				`SELECT min(due_at) AS at FROM lane WHERE site = ? AND destination = ? AND state <> 'ready'
				AND id NOT IN (SELECT value FROM json_each(?))`,
				site,
				name,
				JSON.stringify(request.holding),
			);
			return { leases, nextAt: optionalNumber(next?.at) };
		},

		settle({
			lease: { destination, lane: id, number, person },
			now,
			ended,
			failed,
			known,
			aliases = [],
			narrowTo,
			sent,
			leftOut = 0,
		}: Settlement): boolean {
			const lane = get("SELECT * FROM lane WHERE id = ? AND lease = ? AND state = 'leased'", id, number);
			if (!lane) return false;
			if (known !== undefined) {
				run(
					`INSERT INTO known VALUES (?, ?, ?, ?, ?)
					ON CONFLICT DO UPDATE SET value = excluded.value, used_at = excluded.used_at`,
					destination.site,
					destination.name,
					person,
					known,
					now,
				);
			}
			for (const alias of aliases) link(destination.site, { destination: destination.name, alias, person }, now);
			count(destination.site, destination.name, "leftOut", leftOut);
			if (sent) run("UPDATE lane SET requests = requests + 1 WHERE id = ?", id);
			if (narrowTo !== undefined) run("UPDATE lane SET shown = ? WHERE id = ?", narrowTo, id);
			if (ended && end(lane, ended.count, ended.ending, now).isEmpty) return true;
			if (failed) {
				run(
					`UPDATE lane SET state = 'waiting', due_at = ?, turn = ?, attempts = attempts + 1,
					unreadable = unreadable + ?, failing_since = coalesce(failing_since, ?) WHERE id = ?`,
					failed.dueAt,
					nextTurn(),
					failed.unreadable ? 1 : 0,
					now,
					id,
				);
			} else {
				run("UPDATE lane SET state = 'ready', turn = ? WHERE id = ?", nextTurn(), id);
			}
			return true;
		},

		/** Buries what was fanned out before a time and is not under way; some lanes at a time. */
		expire({
			destination: { site, name },
			before,
			now,
		}: {
			destination: Destination;
			before: number;
			now: number;
		}): number {
			const lanes = all(
				`SELECT * FROM lane WHERE site = ? AND destination = ? AND owed_since < ? AND state <> 'leased'
				ORDER BY owed_since LIMIT ${expireLanes}`,
				site,
				name,
				before,
			);
			let expired = 0;
			for (const lane of lanes) {
				const old = get(
					`SELECT count(*) AS n FROM (SELECT 1 FROM entry JOIN event ON event.id = entry.event
					WHERE lane = ? AND stored_at < ? ORDER BY event LIMIT ${lookAhead})`,
					lane.id ?? null,
					before,
				);
				end(lane, Number(old?.n), { kind: "dead", reason: "expired" }, now, 0);
				expired += Number(old?.n);
			}
			return expired;
		},
	};
}
