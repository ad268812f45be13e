import { type Lease, type Taken, type TakeRequest, tillLongest } from "../lease.ts";
import { optionalNumber } from "../row.ts";
import { linesOf } from "./bundles.ts";
import { columns, type Row, type Run, tellAtCommit } from "./connection.ts";
import { firstBodies, readLeading, type Shown, selectEarning } from "./entries.ts";
import { leaseLanes, withoutSync } from "./lease-lanes.ts";
import type { Shared } from "./shared.ts";
import { restored, storable } from "./text.ts";

const optionalText = (value: unknown): string | undefined => (typeof value === "string" ? restored(value) : undefined);

/** Reads a leased lane, with the number of its lease. */
const givenOf = (row: Row) => ({
	id: Number(row.id),
	number: Number(row.lease),
	person: String(row.person),
	rank: Number(row.rank),
	turn: Number(row.turn),
	done: Number(row.done),
	attempts: Number(row.attempts),
	unreadable: Number(row.unreadable),
	failingSince: optionalNumber(row.failing_since),
	requests: Number(row.requests),
	shown: optionalNumber(row.shown),
	known: row.known,
	first: row,
});
type Given = ReturnType<typeof givenOf>;

/** A lease that is not settled. */
interface Open {
	destination: number;
	/** Number of the lease. */
	number: number;
	until: number;
}

/** The takes of one destination. */
interface Takes {
	underWay: Set<Promise<unknown>>;
	/** Time until which a take that failed may still lease lanes: its answer was lost, or has not come. */
	inDoubtUntil: number;
	/** Time from which a waiting lane may be due. */
	wakeAt: number;
}

/** Time after which a take that failed has surely ended in the database too, ms. */
const takeEndsMs = 15_000;

/** Lanes that were leased, and what else the take has seen. */
interface Found {
	given: Given[];
	/** True if a further lane was found ready. */
	isMore: boolean;
	hold: string | undefined;
	/** Time at which the next waiting lane is due. */
	nextAt: number | undefined;
}

/** Leases of this process as a take begins. */
interface Own {
	/** Leases that have run out. */
	overdue: [lane: number, number: number][];
	/** Lanes that this process has leased, after an answer was lost: all others that the store has as leased by it are free. */
	held: number[] | undefined;
}

/** Makes the leases. Each belongs to an owner, a process that shows by beats that it lives; see owners.ts. */
export function createLeases({ database, destinations, owner }: Shared) {
	/** Id of the owner under which each lease was taken. */
	const takenAs = new WeakMap<Lease, number>();
	/** Leases that are not settled, by the id of the lane. */
	const open = new Map<number, Open>();
	/** Takes by destination. */
	const takes = new Map<number, Takes>();

	/** Makes lanes ready whose wait is over, or whose lease has run out, except those locked by another transaction. */
	const wakeUp = (run: Run, destination: number, { now, holding }: TakeRequest, { overdue }: Own) =>
		run(
			`WITH due AS (
				SELECT id FROM eventferry.lane WHERE destination = $1 AND asleep AND due_at <= $2 AND NOT id = ANY($3::bigint[])
				FOR UPDATE SKIP LOCKED
			), over AS (
				SELECT id FROM eventferry.lane JOIN unnest($4::bigint[], $5::bigint[]) AS t (id, lease) USING (id, lease)
				WHERE state = 'leased' AND owner = $6 FOR UPDATE OF lane SKIP LOCKED
			), woken AS (
				UPDATE eventferry.lane SET state = 'ready', owner = NULL, due_at = 0
				FROM (SELECT id FROM due UNION ALL SELECT id FROM over) AS t WHERE lane.id = t.id
			) SELECT ${withoutSync}`,
			[
				destination,
				now,
				holding,
				...columns(
					overdue,
					([lane]) => lane,
					([, number]) => number,
				),
				owner.id,
			],
		);

	/**
	 * Leases ready lanes: several by rank, then one by waiting, and so on. The statement chooses the lanes by rank up to the
	 * first by waiting, then all by waiting, and then the rest by rank.
	 */
	async function leaseReady(run: Run, destination: number, request: TakeRequest, own: Own): Promise<Found> {
		const { lanes, deliveries, isMixed, served, reservedOnly, hold, holding } = request;
		const isLongest = (index: number) => tillLongest(served + index) === 0;
		const byWaiting = Array.from({ length: lanes }, (_, index) => index).filter(isLongest).length;
		const atFirst = Math.min(lanes, tillLongest(served));
		const rows = await run(leaseLanes(reservedOnly, byWaiting > 0), [
			destination,
			holding,
			owner.id,
			owner.knownTo,
			own.held,
			hold === undefined ? null : storable(hold),
			request.now + request.leaseMs,
			deliveries,
			isMixed === true,
			...(byWaiting > 0 ? [lanes - atFirst - byWaiting, atFirst, byWaiting] : [lanes]),
		]);
		const left = rows
			.flatMap((row) => (row.id === null ? [] : givenOf(row)))
			.sort((a, b) => a.rank - b.rank || a.turn - b.turn);
		const given: Given[] = [];
		while (left.length > 0) {
			const place = isLongest(given.length) ? left.indexOf(left.reduce((a, b) => (b.turn < a.turn ? b : a))) : 0;
			given.push(...left.splice(place, 1));
		}
		return {
			given,
			isMore: rows[0]?.is_more === true,
			hold: optionalText(rows[0]?.hold),
			nextAt: optionalNumber(rows[0]?.next_at),
		};
	}

	/** Leases lanes, after making those ready whose wait is over. */
	async function leaseDue(run: Run, destination: number, request: TakeRequest, takes: Takes, own: Own): Promise<Found> {
		const isDue = takes.wakeAt <= request.now || own.overdue.length > 0;
		if (isDue) tellAtCommit(wakeUp(run, destination, request, own));
		const found = await leaseReady(run, destination, request, own);
		takes.wakeAt = found.nextAt ?? Number.POSITIVE_INFINITY;
		const left = request.lanes - found.given.length;
		if (isDue || left === 0 || takes.wakeAt > request.now) return found;
		const given = found.given.length;
		const later = await leaseDue(
			run,
			destination,
			{ ...request, lanes: left, served: request.served + given },
			takes,
			own,
		);
		return { ...later, given: [...found.given, ...later.given] };
	}

	/** Finds the lanes with narrowed leases for whose people an event worth a profile waits. */
	async function earning(run: Run, given: readonly Given[]): Promise<ReadonlySet<number>> {
		const narrowed = given.filter(({ shown }) => shown !== undefined);
		const rows = narrowed.length > 0 ? await run(selectEarning, [narrowed.map(({ id }) => id)]) : [];
		return new Set(rows.map(({ id }) => Number(id)));
	}

	/**
	 * Returns the bodies that leases show. Reads those that the leasing statement has not read: nobody else can remove
	 * deliveries of a leased lane.
	 */
	async function bodiesOf(run: Run, destination: number, given: readonly Given[], request: TakeRequest) {
		const { deliveries, isMixed } = request;
		const shownOf = ({ done, shown }: Given): Shown => ({
			done,
			most: Math.min(deliveries, shown ?? deliveries),
			endsAlone: !isMixed && shown === undefined,
		});
		const found = new Map(
			given.map((lane) => [lane.id, { known: lane.known, bodies: firstBodies(lane.first, shownOf(lane)) }]),
		);
		const others = given.filter(({ id }) => found.get(id)?.bodies === undefined);
		if (others.length === 0) return found;
		const further = await run(readLeading, [
			destination,
			...columns(
				others,
				"id",
				"done",
				(lane) => shownOf(lane).most,
				(lane) => shownOf(lane).endsAlone,
				"person",
			),
		]);
		for (const row of further) found.set(Number(row.lane), { known: row.known, bodies: linesOf(row.bodies) });
		return found;
	}

	/** Gives up leases. */
	const giveBack = (leases: readonly Pick<Lease, "lane" | "number">[]) =>
		database.run(
			`UPDATE eventferry.lane SET state = 'ready', owner = NULL FROM unnest($1::bigint[], $2::bigint[]) AS t (id, lease)
			WHERE lane.id = t.id AND lane.lease = t.lease AND state = 'leased' AND owner = $3`,
			[leases.map(({ lane }) => lane), leases.map(({ number }) => number), owner.id],
		);

	/** Returns false once this process may have been taken for dead: since then it is another owner. */
	const isHeld = (lease: Lease) => takenAs.get(lease) === owner.id && owner.isSurelySeen();

	/** Returns the leases of this process that run at a destination, and may be waited for. */
	const runningAt = (destination: number, { holding }: TakeRequest) =>
		[...open].filter(([lane, each]) => each.destination === destination && !holding.includes(lane));

	async function take(destination: number, request: TakeRequest, takes: Takes, isInDoubt: boolean): Promise<Taken> {
		const as = owner.id;
		const own: Own = {
			overdue: runningAt(destination, request).flatMap(([lane, { number, until }]) =>
				until <= request.now ? [[lane, number]] : [],
			),
			held: isInDoubt ? [...open.keys(), ...request.holding] : undefined,
		};
		const { given, isMore, hold, nextAt, rows, earns } = await database.connection(async (run) => {
			const found = await leaseDue(run, destination, request, takes, own);
			const [rows, earns] = await Promise.all([
				bodiesOf(run, destination, found.given, request),
				earning(run, found.given),
			]);
			return { ...found, rows, earns };
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
				...(earns.has(id) && { earns: true }),
				bodies: rows.get(id)?.bodies ?? [],
			}),
		);
		for (const lease of leases) takenAs.set(lease, as);
		// A lease shows that the hold was the one requested, even if it has changed since.
		const seen = { hold: leases.length > 0 ? request.hold : hold };
		if (!leases.every(isHeld)) {
			// This process may have been taken for dead meanwhile, and others may take its lanes over.
			await giveBack(leases);
			return { ...seen, nextAt, isMore: false, leases: [] };
		}
		const until = request.now + request.leaseMs;
		for (const { lane, number } of leases) open.set(lane, { destination, number, until });
		const ends = runningAt(destination, request).flatMap(([, each]) => (each.until > request.now ? each.until : []));
		const next = Math.min(nextAt ?? Number.POSITIVE_INFINITY, ...ends);
		return { ...seen, nextAt: Number.isFinite(next) ? next : undefined, isMore, leases };
	}

	const isInDoubt = ({ inDoubtUntil }: Takes) => performance.now() < inDoubtUntil;

	return {
		isHeld,
		async take(request: TakeRequest): Promise<Taken> {
			const destination = await destinations.id(request.destination);
			const own = takes.get(destination) ?? { underWay: new Set(), inDoubtUntil: 0, wakeAt: 0 };
			takes.set(destination, own);
			// Leases of another take under way are not open yet, and would look lost.
			while (isInDoubt(own) && own.underWay.size > 0) await Promise.allSettled(own.underWay);
			const taking = take(destination, request, own, isInDoubt(own)).catch((error) => {
				own.inDoubtUntil = performance.now() + takeEndsMs;
				throw error;
			});
			own.underWay.add(taking);
			return taking.finally(() => own.underWay.delete(taking));
		},

		/** Counts the leases that are not settled. */
		open: () => open.size,

		/** Notes that a lease was settled or lost, and until when its lane waits. */
		closed({ lane, number }: Pick<Lease, "lane" | "number">, dueAt = Number.POSITIVE_INFINITY): void {
			const found = open.get(lane);
			if (found?.number !== number) return;
			open.delete(lane);
			const own = takes.get(found.destination);
			if (own) own.wakeAt = Math.min(own.wakeAt, dueAt);
		},

		/** Notes that lanes are gone, so that nothing waits for the ends of their leases. */
		removed(lanes: readonly number[]): void {
			for (const lane of lanes) open.delete(lane);
		},

		/** Gives up all leases, when this process stops. */
		leave: () => giveBack([...open].map(([lane, { number }]) => ({ lane, number }))),

		/** Tells whether the store may have leases of this process that it does not know of. The next take frees their lanes. */
		mayHaveLost: (): boolean => [...takes.values()].some(isInDoubt),
	};
}
