import { type Lease, type Taken, type TakeRequest, tillLongest } from "../lease.ts";
import { optionalNumber } from "../row.ts";
import { linesOf } from "./bundles.ts";
import type { Row, Run } from "./connection.ts";
import { entryOf, leading } from "./entries.ts";
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

interface Wanted {
	lanes: number;
	/** True to lease the lane that has waited longest, regardless of rank. */
	isLongest: boolean;
	/** Place after which to look for lanes. */
	after: Turn;
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

/** Makes the leases. Each belongs to an owner, a process that shows by beats that it lives; see owners.ts. */
export function createLeases({ database, destinations, owner }: Shared) {
	/** Id of the owner under which each lease was taken. */
	const takenAs = new WeakMap<Lease, number>();

	/** Makes lanes ready whose wait or lease is over, except those locked by another transaction. */
	const wakeUp = (run: Run, destination: number, { now, holding }: TakeRequest) =>
		run(
			`WITH due AS (
				SELECT id FROM eventferry.lane
				WHERE destination = $1 AND state <> 'ready' AND due_at <= $2 AND NOT id = ANY($3::bigint[])
				AND (state = 'waiting' OR owner = $4) FOR UPDATE SKIP LOCKED
			) UPDATE eventferry.lane SET state = 'ready', owner = NULL FROM due WHERE lane.id = due.id`,
			[destination, now, holding, owner.id],
		);

	/**
	 * Locks and leases lanes; a later statement reads their deliveries. Starts at `after`: an index keeps the old entries
	 * of updated rows until vacuum, so a scan from the start would pass all lanes that were leased lately.
	 * https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE has SKIP LOCKED.
	 */
	async function lease(run: Run, destination: number, request: TakeRequest, { lanes, isLongest, after }: Wanted) {
		const { reservedOnly, hold, now, leaseMs } = request;
		const [order, isAfter] = isLongest ? ["turn", "turn > $6"] : ["rank, turn", "(rank, turn) > ($7::integer, $6)"];
		const rows = await run(
			`WITH chosen AS (
				SELECT id FROM eventferry.lane
				WHERE destination = $1 AND state = 'ready' AND ${reservedOnly ? "reserved" : "NOT behind"} AND ${isAfter}
				AND NOT (trusted AND ${isPersonLeased})
				AND EXISTS (SELECT FROM eventferry.owner WHERE id = $4)
				AND EXISTS (SELECT FROM eventferry.destination WHERE id = $1 AND hold IS NOT DISTINCT FROM $5)
				ORDER BY ${order} LIMIT $2 FOR UPDATE SKIP LOCKED
			) UPDATE eventferry.lane SET state = 'leased', lease = lease + 1, owner = $4, due_at = $3
			FROM chosen WHERE lane.id = chosen.id RETURNING lane.*`,
			[
				destination,
				lanes,
				now + leaseMs,
				owner.id,
				hold === undefined ? null : storable(hold),
				after.turn,
				...(isLongest ? [] : [after.rank]),
			],
		);
		return rows.map(givenOf).sort((a, b) => (isLongest ? 0 : a.rank - b.rank) || a.turn - b.turn);
	}

	/** Leases lanes in order: several by rank, then one by waiting, and so on. */
	async function leaseAll(run: Run, destination: number, request: TakeRequest): Promise<Given[]> {
		const given: Given[] = [];
		const last = { byRank: beforeAll, byWaiting: beforeAll };
		while (given.length < request.lanes) {
			const byRank = tillLongest(request.served + given.length);
			const isLongest = byRank === 0;
			const by = isLongest ? "byWaiting" : "byRank";
			const lanes = Math.min(isLongest ? 1 : byRank, request.lanes - given.length);
			const leased = await lease(run, destination, request, { lanes, isLongest, after: last[by] });
			given.push(...leased);
			if (leased.length < lanes) break;
			last[by] = leased.at(-1) ?? beforeAll;
		}
		return given;
	}

	/** Reads the bodies of leased lanes. Only the owner of a lease removes deliveries. */
	async function bodiesOf(run: Run, given: readonly Given[], deliveries: number): Promise<Map<number, string[]>> {
		const wanted = new Map(
			given.map(({ id, done, shown = deliveries }) => [id, { done, shown: Math.min(deliveries, shown) }]),
		);
		const rows = await run(
			`SELECT owed.*, bodies FROM ${leading} JOIN eventferry.bundle USING (batch, place) ORDER BY number, owed.id`,
			[[...wanted.keys()], [...wanted.values()].map(({ done, shown }) => done + shown)],
		);
		const bodies = new Map<number, string[]>();
		for (const row of rows) {
			const { lane, deliveries: owed } = entryOf(row);
			const lines = linesOf(row.bodies);
			bodies.set(lane, [...(bodies.get(lane) ?? []), ...owed.map(({ place }) => lines[place] ?? "")]);
		}
		for (const [lane, { done, shown }] of wanted) {
			bodies.set(lane, (bodies.get(lane) ?? []).slice(done, done + shown));
		}
		return bodies;
	}

	const knownOf = (run: Run, destination: number, given: readonly Given[]) =>
		run("SELECT person, value FROM eventferry.known WHERE destination = $1 AND person = ANY($2::text[])", [
			destination,
			given.map(({ person }) => person),
		]);

	/**
	 * Reads the hold and the next due time, and whether lanes are ready beyond `leased` ones. Ready lanes that a take for
	 * more did not find are locked by other transactions. The index has the fewest old entries at its end.
	 */
	const stateOf = (run: Run, destination: number, { lanes, holding, reservedOnly }: TakeRequest, leased: number) =>
		run(
			`SELECT hold, (
				SELECT min(due_at) FROM eventferry.lane WHERE destination = $1 AND state <> 'ready'
				AND NOT id = ANY($2::bigint[]) AND (state = 'waiting' OR owner = $3)
			) AS next_at, $4 AND (
				SELECT true FROM eventferry.lane
				WHERE destination = $1 AND state = 'ready' AND ${reservedOnly ? "reserved" : "NOT behind"}
				AND NOT (trusted AND ${isPersonLeased}) ORDER BY turn DESC LIMIT 1
			) AS is_more FROM eventferry.destination WHERE id = $1`,
			[destination, holding, owner.id, leased === lanes],
		);

	/** Gives up leases for which nothing was sent. */
	const giveBack = (leases: readonly Lease[]) =>
		database.run(
			`UPDATE eventferry.lane SET state = 'ready', owner = NULL FROM unnest($1::bigint[], $2::bigint[]) AS t (id, lease)
			WHERE lane.id = t.id AND lane.lease = t.lease AND state = 'leased' AND owner = $3`,
			[leases.map(({ lane }) => lane), leases.map(({ number }) => number), owner.id],
		);

	/** Returns false once this process may have been taken for dead: since then it is another owner. */
	const isHeld = (lease: Lease) => takenAs.get(lease) === owner.id && owner.isSurelySeen();

	return {
		isHeld,
		async take(request: TakeRequest): Promise<Taken> {
			const destination = await destinations.id(request.destination);
			const as = owner.id;
			const taken = await database.connection(async (run) => {
				void wakeUp(run, destination, request);
				const given = await leaseAll(run, destination, request);
				const isAny = given.length > 0;
				const [bodies, known, [state]] = await Promise.all([
					isAny ? bodiesOf(run, given, request.deliveries) : new Map<number, string[]>(),
					isAny ? knownOf(run, destination, given) : [],
					stateOf(run, destination, request, given.length),
				]);
				return { given, bodies, known: new Map(known.map((row) => [row.person, row.value])), state };
			});
			const leases = taken.given.map(
				({ id, number, person, attempts, unreadable, failingSince, requests }): Lease => ({
					destination: request.destination,
					lane: id,
					number,
					person: restored(person),
					known: optionalText(taken.known.get(person)),
					attempts,
					unreadable,
					failingSince,
					requests,
					bodies: taken.bodies.get(id) ?? [],
				}),
			);
			for (const lease of leases) takenAs.set(lease, as);
			// A lease shows that the hold was the one requested, even if it has changed since.
			const hold = leases.length > 0 ? request.hold : optionalText(taken.state?.hold);
			const result = { hold, nextAt: optionalNumber(taken.state?.next_at) };
			if (leases.every(isHeld)) return { ...result, isMore: taken.state?.is_more === true, leases };
			// This process may have been taken for dead meanwhile, and others may take its lanes over.
			await giveBack(leases);
			return { ...result, isMore: false, leases: [] };
		},
	};
}
