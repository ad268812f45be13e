import { type Lease, type Taken, type TakeRequest, tillLongest } from "../lease.ts";
import { optionalNumber } from "../row.ts";
import { linesOf } from "./bundles.ts";
import { columns, type Row, type Run } from "./connection.ts";
import { readLeading } from "./entries.ts";
import { lockedLaneOf } from "./lanes.ts";
import type { Shared } from "./shared.ts";
import { restored, storable } from "./text.ts";

const optionalText = (value: unknown): string | undefined => (typeof value === "string" ? restored(value) : undefined);

interface Turn {
	rank: number;
	turn: number;
}
const beforeAll: Turn = { rank: -1, turn: -1 };

/** Reads a leased lane, with the number of its lease. */
const givenOf = (row: Row) => ({ ...lockedLaneOf(row), number: Number(row.lease) });
type Given = ReturnType<typeof givenOf>;

/** The takes of one destination. */
interface Takes {
	underWay: Set<Promise<unknown>>;
	/** Time until which a take that failed may still lease lanes: its answer was lost, or has not come. */
	inDoubtUntil: number;
	/** Ends once lanes of lost leases are free. */
	freeing: Promise<unknown> | undefined;
}

/** Time after which a take that failed has surely ended in the database too, ms. */
const takeEndsMs = 15_000;

interface Wanted {
	lanes: number;
	/** True to lease the lane that has waited longest, regardless of rank. */
	isLongest: boolean;
	/** Place after which to look for lanes. */
	after: Turn;
}

/** Lanes that were leased, and what else the take has seen. */
interface Found {
	given: Given[];
	/** True if a further lane was found ready. */
	isMore: boolean;
	hold: string | undefined;
}

/**
 * SQL that tells whether another lane of a lane's person is leased at its destination: one of events with less trust,
 * from before the lane was made. The fan-out that makes a lane locks the person's others first, so none is leased later.
 * No EXISTS, which PostgreSQL may answer by reading every leased lane first.
 */
const isPersonLeased = `coalesce((
	SELECT true FROM eventferry.lane AS other WHERE other.destination = lane.destination AND other.person = lane.person
	AND other.state = 'leased' LIMIT 1
), false)`;

/**
 * SQL by which a transaction does not wait for the disk when it commits. A crash of the database then forgets the latest
 * leases; their settlements are refused. https://www.postgresql.org/docs/current/wal-async-commit.html
 */
const withoutSync = "set_config('synchronous_commit', 'off', true)";

/** Makes the leases. Each belongs to an owner, a process that shows by beats that it lives; see owners.ts. */
export function createLeases({ database, destinations, owner }: Shared) {
	/** Id of the owner under which each lease was taken. */
	const takenAs = new WeakMap<Lease, number>();
	/** Numbers of the leases that are not settled, by the id of the lane. */
	const open = new Map<number, number>();
	/** Takes by destination. */
	const takes = new Map<number, Takes>();

	/**
	 * Makes lanes ready whose wait or lease is over, except those locked by another transaction; resolves to the time at
	 * which the next one is due.
	 */
	async function wakeUp(run: Run, destination: number, { now, holding }: TakeRequest): Promise<number | undefined> {
		const [row] = await run(
			`WITH due AS (
				SELECT id FROM eventferry.lane
				WHERE destination = $1 AND state <> 'ready' AND due_at <= $2 AND NOT id = ANY($3::bigint[])
				AND (state = 'waiting' OR owner = $4) FOR UPDATE SKIP LOCKED
			), woken AS (
				UPDATE eventferry.lane SET state = 'ready', owner = NULL FROM due WHERE lane.id = due.id
			) SELECT ${withoutSync}, (
				SELECT due_at FROM eventferry.lane WHERE destination = $1 AND state <> 'ready'
				AND NOT id = ANY($3::bigint[]) AND (state = 'waiting' OR owner = $4) AND NOT id IN (SELECT id FROM due)
				ORDER BY due_at LIMIT 1
			) AS next_at`,
			[destination, now, holding, owner.id],
		);
		return optionalNumber(row?.next_at);
	}

	/**
	 * Locks and leases lanes; a later statement reads their deliveries. Locks one more, to see whether there is one. Starts
	 * at `after`: an index keeps the old entries of updated rows until vacuum, so a scan from the start would pass all lanes
	 * that were leased lately. https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE has SKIP LOCKED.
	 */
	async function lease(run: Run, destination: number, request: TakeRequest, wanted: Wanted): Promise<Found> {
		const { reservedOnly, hold, now, leaseMs, holding } = request;
		const { lanes, isLongest, after } = wanted;
		const [order, isAfter] = isLongest ? ["turn", "turn > $7"] : ["rank, turn", "(rank, turn) > ($8::integer, $7)"];
		const rows = await run(
			`WITH chosen AS (
				SELECT id, rank, turn FROM eventferry.lane
				WHERE destination = $1 AND state = 'ready' AND ${reservedOnly ? "reserved" : "NOT behind"} AND ${isAfter}
				AND NOT (trusted AND ${isPersonLeased}) AND NOT id = ANY($6::bigint[])
				AND EXISTS (SELECT FROM eventferry.owner WHERE id = $4)
				AND EXISTS (SELECT FROM eventferry.destination WHERE id = $1 AND hold IS NOT DISTINCT FROM $5)
				ORDER BY ${order} LIMIT $2 + 1 FOR UPDATE SKIP LOCKED
			), leased AS (
				UPDATE eventferry.lane SET state = 'leased', lease = lease + 1, owner = $4, due_at = $3
				FROM (SELECT id AS chosen_id FROM chosen ORDER BY ${order} LIMIT $2) AS t WHERE lane.id = chosen_id RETURNING lane.*
			) SELECT ${withoutSync}, destination.hold, (SELECT count(*) FROM chosen) > $2 AS is_more, leased.*
			FROM eventferry.destination LEFT JOIN leased ON true WHERE destination.id = $1`,
			[
				destination,
				lanes,
				now + leaseMs,
				owner.id,
				hold === undefined ? null : storable(hold),
				holding,
				after.turn,
				...(isLongest ? [] : [after.rank]),
			],
		);
		const given = rows.flatMap((row) => (row.id === null ? [] : givenOf(row)));
		return {
			given: given.sort((a, b) => (isLongest ? 0 : a.rank - b.rank) || a.turn - b.turn),
			isMore: rows[0]?.is_more === true,
			hold: optionalText(rows[0]?.hold),
		};
	}

	/** Leases lanes in order: several by rank, then one by waiting, and so on. */
	async function leaseAll(run: Run, destination: number, request: TakeRequest): Promise<Found> {
		const all: Found = { given: [], isMore: false, hold: undefined };
		const last = { byRank: beforeAll, byWaiting: beforeAll };
		while (all.given.length < request.lanes) {
			const byRank = tillLongest(request.served + all.given.length);
			const isLongest = byRank === 0;
			const by = isLongest ? "byWaiting" : "byRank";
			const lanes = Math.min(isLongest ? 1 : byRank, request.lanes - all.given.length);
			const { given, isMore, hold } = await lease(run, destination, request, { lanes, isLongest, after: last[by] });
			all.given.push(...given);
			all.isMore = isMore;
			all.hold = hold;
			if (given.length < lanes) break;
			last[by] = given.at(-1) ?? beforeAll;
		}
		return all;
	}

	/** Reads the bodies of leased lanes, and what is known of their people. Only the owner of a lease removes deliveries. */
	async function read(run: Run, destination: number, given: readonly Given[], request: TakeRequest) {
		const { deliveries, isMixed } = request;
		if (given.length === 0) return new Map<number, Row>();
		const rows = await run(readLeading, [
			destination,
			...columns(
				given,
				"id",
				"done",
				({ shown = deliveries }) => Math.min(deliveries, shown),
				({ shown }) => !isMixed && shown === undefined,
				"person",
			),
		]);
		return new Map(rows.map((row) => [Number(row.lane), row]));
	}

	/** Gives up leases for which nothing was sent. */
	const giveBack = (leases: readonly Lease[]) =>
		database.run(
			`UPDATE eventferry.lane SET state = 'ready', owner = NULL FROM unnest($1::bigint[], $2::bigint[]) AS t (id, lease)
			WHERE lane.id = t.id AND lane.lease = t.lease AND state = 'leased' AND owner = $3`,
			[leases.map(({ lane }) => lane), leases.map(({ number }) => number), owner.id],
		);

	/** Returns false once this process may have been taken for dead: since then it is another owner. */
	const isHeld = (lease: Lease) => takenAs.get(lease) === owner.id && owner.isSurelySeen();

	async function take(destination: number, request: TakeRequest): Promise<Taken> {
		const as = owner.id;
		const { given, isMore, hold, nextAt, rows } = await database.connection(async (run) => {
			const [nextAt, found] = await Promise.all([
				wakeUp(run, destination, request),
				leaseAll(run, destination, request),
			]);
			return { ...found, nextAt, rows: await read(run, destination, found.given, request) };
		});
		const leases = given.map(
			({ id, number, person, attempts, unreadable, failingSince, requests }): Lease => ({
				destination: request.destination,
				lane: id,
				number,
				person: restored(person),
				known: optionalText(rows.get(id)?.known),
				attempts,
				unreadable,
				failingSince,
				requests,
				bodies: linesOf(rows.get(id)?.bodies),
			}),
		);
		for (const lease of leases) takenAs.set(lease, as);
		const isAny = leases.length > 0;
		const next = Math.min(
			nextAt ?? Number.POSITIVE_INFINITY,
			isAny ? request.now + request.leaseMs : Number.POSITIVE_INFINITY,
		);
		// A lease shows that the hold was the one requested, even if it has changed since.
		const result = { hold: isAny ? request.hold : hold, nextAt: Number.isFinite(next) ? next : undefined };
		if (leases.every(isHeld)) {
			for (const { lane, number } of leases) open.set(lane, number);
			return { ...result, isMore, leases };
		}
		// This process may have been taken for dead meanwhile, and others may take its lanes over.
		await giveBack(leases);
		return { ...result, isMore: false, leases: [] };
	}

	/** Frees lanes that the store has as leased by this process, but this process has not. No take may be under way. */
	async function freeUnknown(destination: number, { underWay }: Takes): Promise<number> {
		await Promise.allSettled(underWay);
		const freed = await database.run(
			`UPDATE eventferry.lane SET state = 'ready', owner = NULL
			WHERE destination = $1 AND state = 'leased' AND owner = $2 AND NOT id = ANY($3::bigint[]) RETURNING id`,
			[destination, owner.id, [...open.keys()]],
		);
		return freed.length;
	}

	return {
		isHeld,
		async take(request: TakeRequest): Promise<Taken> {
			const destination = await destinations.id(request.destination);
			const own = takes.get(destination) ?? { underWay: new Set(), inDoubtUntil: 0, freeing: undefined };
			takes.set(destination, own);
			await own.freeing;
			const taking = take(destination, request).catch((error) => {
				own.inDoubtUntil = performance.now() + takeEndsMs;
				throw error;
			});
			own.underWay.add(taking);
			return taking.finally(() => own.underWay.delete(taking));
		},

		/** Counts the leases that are not settled. */
		open: () => open.size,

		/** Notes that a lease was settled or lost. */
		closed({ lane, number }: Pick<Lease, "lane" | "number">): void {
			if (open.get(lane) === number) open.delete(lane);
		},

		/**
		 * Frees lanes whose leases were lost on the way here because a connection broke; resolves to their number. Takes of
		 * their destination wait meanwhile.
		 */
		async freeLost(): Promise<number> {
			const freeing = [...takes]
				.filter(([, own]) => !own.freeing && performance.now() < own.inDoubtUntil)
				.map(([destination, own]) => {
					const freed = freeUnknown(destination, own).finally(() => {
						own.freeing = undefined;
					});
					own.freeing = freed.catch(() => {});
					return freed;
				});
			return (await Promise.all(freeing)).reduce((sum, freed) => sum + freed, 0);
		},
	};
}
