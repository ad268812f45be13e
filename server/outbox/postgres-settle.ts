import type { Destination, Ending, Settlement } from "./outbox.ts";
import { columns, type Database, type Row, type Run } from "./postgres-connection.ts";
import type { createCounters } from "./postgres-counters.ts";
import type { Destinations } from "./postgres-destinations.ts";
import { optionalNumber } from "./postgres-lanes.ts";
import { link } from "./postgres-links.ts";
import { storable } from "./postgres-text.ts";

/** Deliveries of a lane that are looked at for its rank: as many as a lease shows. */
const lookAhead = 100;
/** Lanes that expiry looks at in one go. */
const expireLanes = 200;

/** What a lane is after a settlement. */
interface LaneAfter {
	id: number;
	state: string;
	owner: number | null;
	dueAt: number;
	rank: number;
	reserved: boolean;
	owedSince: number;
	attempts: number;
	unreadable: number;
	failingSince: number | null;
	requests: number;
	shown: number | null;
	/** Whether it goes to the end of the turn. */
	moves: boolean;
}

/** Leading deliveries of a locked lane that have ended. */
interface End {
	lane: Row;
	count: number;
	ending: Ending;
	/** Attempts that are to be counted for this ending itself. */
	attempts: number;
	now: number;
}

const before = (lane: Row): LaneAfter => ({
	id: Number(lane.id),
	state: String(lane.state),
	owner: optionalNumber(lane.owner) ?? null,
	dueAt: Number(lane.due_at),
	rank: Number(lane.rank),
	reserved: Boolean(lane.reserved),
	owedSince: Number(lane.owed_since),
	attempts: Number(lane.attempts),
	unreadable: Number(lane.unreadable),
	failingSince: optionalNumber(lane.failing_since) ?? null,
	requests: Number(lane.requests),
	shown: optionalNumber(lane.shown) ?? null,
	moves: false,
});

/** The leading entries of lanes, as a set to delete: `$1` lanes, `$2` how many of each. */
const leading = `DELETE FROM eventferry.entry USING (
		SELECT t.lane, head.event FROM unnest($1::bigint[], $2::integer[]) AS t (lane, count)
		CROSS JOIN LATERAL (SELECT event FROM eventferry.entry WHERE entry.lane = t.lane ORDER BY event LIMIT t.count) AS head
	) AS chosen WHERE entry.lane = chosen.lane AND entry.event = chosen.event`;

/** Deletes what has ended, or buries it; resolves to how many of each lane. The lanes are locked. */
async function remove(run: Run, ends: readonly End[]): Promise<Map<number, number>> {
	const dead = ends.flatMap((end) => (end.ending.kind === "dead" ? [{ ...end, ending: end.ending }] : []));
	const others = ends.filter(({ ending }) => ending.kind !== "dead");
	const lanesAndCounts = (some: readonly End[]) =>
		columns(
			some,
			({ lane }) => lane.id,
			({ count }) => count,
		);
	const removing = [];
	if (others.length > 0) {
		removing.push(
			run(
				`WITH gone AS (${leading} RETURNING entry.lane) SELECT lane, count(*) AS count FROM gone GROUP BY lane`,
				lanesAndCounts(others),
			),
		);
	}
	if (dead.length > 0) {
		removing.push(
			run(
				`WITH gone AS (${leading} RETURNING entry.*), buried AS (
					INSERT INTO eventferry.dead_letter
					(destination, person, body, rank, reserved, status, reason, message, attempts, first_at, last_at)
					SELECT lane.destination, lane.person, gone.body, gone.rank, gone.reserved, t.status, t.reason, t.message,
						gone.past_attempts + t.attempts
							+ CASE WHEN row_number() OVER (PARTITION BY gone.lane ORDER BY gone.event) = 1 THEN lane.attempts ELSE 0 END,
						coalesce(gone.first_at, lane.failing_since, t.now), t.now
					FROM gone JOIN eventferry.lane ON lane.id = gone.lane
					JOIN unnest($1::bigint[], $3::integer[], $4::text[], $5::text[], $6::integer[], $7::bigint[]) WITH ORDINALITY
						AS t (lane, status, reason, message, attempts, now, place) ON t.lane = gone.lane
					ORDER BY t.place, gone.event
				) SELECT lane, count(*) AS count FROM gone GROUP BY lane`,
				[
					...lanesAndCounts(dead),
					...columns(
						dead,
						({ ending }) => ending.status,
						({ ending }) => storable(ending.reason),
						({ ending: { message } }) => message && storable(message),
						({ attempts }) => attempts,
						({ now }) => now,
					),
				],
			),
		);
	}
	const counted = (await Promise.all(removing)).flat();
	return new Map(counted.map(({ lane, count }) => [Number(lane), Number(count)]));
}

/** What lanes owe first, once others of theirs have gone; nothing for a lane that owes nothing. */
async function whatIsLeft(run: Run, ends: readonly End[]): Promise<Map<number, Row>> {
	const rows = await run(
		`SELECT t.lane, first.reserved, first.stored_at,
			(SELECT min(rank) FROM (
				SELECT rank FROM eventferry.entry WHERE entry.lane = t.lane ORDER BY event LIMIT ${lookAhead}
			) AS ahead) AS rank
		FROM unnest($1::bigint[]) AS t (lane) CROSS JOIN LATERAL (
			SELECT reserved, stored_at FROM eventferry.entry WHERE entry.lane = t.lane ORDER BY event LIMIT 1
		) AS first`,
		[ends.map(({ lane }) => lane.id)],
	);
	return new Map(rows.map((row) => [Number(row.lane), row]));
}

async function update(run: Run, lanes: readonly LaneAfter[]): Promise<void> {
	if (lanes.length === 0) return;
	await run(
		`UPDATE eventferry.lane SET state = t.state, owner = t.owner, due_at = t.due_at, rank = t.rank,
			reserved = t.reserved, owed_since = t.owed_since, attempts = t.attempts, unreadable = t.unreadable,
			failing_since = t.failing_since, requests = t.requests, shown = t.shown,
			turn = CASE WHEN t.moves THEN nextval('eventferry.turn') ELSE lane.turn END
		FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::integer[], $6::boolean[], $7::bigint[],
			$8::integer[], $9::integer[], $10::bigint[], $11::integer[], $12::integer[], $13::boolean[])
			AS t (id, state, owner, due_at, rank, reserved, owed_since, attempts, unreadable, failing_since, requests, shown, moves)
		WHERE lane.id = t.id`,
		columns(
			lanes,
			({ id }) => id,
			({ state }) => state,
			({ owner }) => owner,
			({ dueAt }) => dueAt,
			({ rank }) => rank,
			({ reserved }) => reserved,
			({ owedSince }) => owedSince,
			({ attempts }) => attempts,
			({ unreadable }) => unreadable,
			({ failingSince }) => failingSince,
			({ requests }) => requests,
			({ shown }) => shown,
			({ moves }) => moves,
		),
	);
}

const remember = (run: Run, known: readonly { lane: Row; value: string; now: number }[]) =>
	run(
		`INSERT INTO eventferry.known (destination, person, value, used_at)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[])
		ON CONFLICT (destination, person) DO UPDATE SET value = excluded.value, used_at = excluded.used_at`,
		columns(
			known,
			({ lane }) => lane.destination,
			({ lane }) => lane.person,
			({ value }) => storable(value),
			({ now }) => now,
		),
	);

/** What became of leases. Lanes are locked first, and what they owe is looked at in later statements: an event added in between is seen. */
export function createSettling(
	{ transaction }: Pick<Database, "transaction">,
	{
		destinations,
		counters,
		owner,
	}: { destinations: Destinations; counters: ReturnType<typeof createCounters>; owner: () => { id: number } },
) {
	/** Ends leading deliveries of locked lanes; gives each lane as it is then, undefined where it owed nothing more and was deleted. */
	async function end(run: Run, ends: readonly End[], counts: ReturnType<typeof counters>) {
		const after = new Map<number, LaneAfter | undefined>();
		let ended = 0;
		if (ends.length === 0) return { after, ended };
		const [removed, left] = await Promise.all([remove(run, ends), whatIsLeft(run, ends)]);
		const empty: number[] = [];
		for (const { lane, ending } of ends) {
			const count = removed.get(Number(lane.id)) ?? 0;
			const { site, name } = await destinations.named(Number(lane.destination));
			ended += count;
			counts.add(site, name, "owed", -count);
			counts.add(site, name, ending.kind === "discarded" ? `discarded:${ending.reason}` : ending.kind, count);
			const first = left.get(Number(lane.id));
			if (!first) {
				empty.push(Number(lane.id));
				counts.add(site, name, "lanes", -1);
				after.set(Number(lane.id), undefined);
				continue;
			}
			after.set(Number(lane.id), {
				...before(lane),
				rank: Number(first.rank),
				reserved: Boolean(first.reserved),
				owedSince: Number(first.stored_at),
				attempts: 0,
				unreadable: 0,
				failingSince: null,
				requests: 0,
				shown: null,
			});
		}
		if (empty.length > 0) void run("DELETE FROM eventferry.lane WHERE id = ANY($1::bigint[])", [empty]);
		return { after, ended };
	}

	/** What a lane is once its request was settled; from what `end` left of it where deliveries ended. */
	function settled(lane: LaneAfter, { ended, failed, narrowTo, sent, now }: Settlement): LaneAfter {
		const free = { ...lane, state: "ready", owner: null, dueAt: 0, moves: true };
		const counted = ended ? free : { ...free, requests: lane.requests + (sent ? 1 : 0), shown: narrowTo ?? lane.shown };
		if (!failed) return counted;
		return {
			...counted,
			state: "waiting",
			dueAt: failed.dueAt,
			attempts: lane.attempts + 1,
			unreadable: lane.unreadable + (failed.unreadable ? 1 : 0),
			failingSince: lane.failingSince ?? now,
		};
	}

	return {
		/** Settles several leases together; says of each whether it was still held. */
		settle: (settlements: readonly Settlement[]): Promise<boolean[]> =>
			transaction(async (run) => {
				const rows = await run(
					`SELECT * FROM eventferry.lane WHERE id = ANY($1::bigint[]) AND state = 'leased' AND owner = $2
					ORDER BY id FOR UPDATE`,
					[settlements.map(({ lease }) => lease.lane), owner().id],
				);
				const lanes = new Map(rows.map((row) => [`${row.id} ${row.lease}`, row]));
				const held = settlements.flatMap((settlement) => {
					const lane = lanes.get(`${settlement.lease.lane} ${settlement.lease.number}`);
					return lane ? [{ lane, settlement }] : [];
				});
				const counts = counters(run);
				const ends = held.flatMap(({ lane, settlement: { ended, now } }) =>
					ended ? [{ lane, ...ended, attempts: 1, now }] : [],
				);
				const { after } = await end(run, ends, counts);
				const updated = held.flatMap(({ lane, settlement }) => {
					const id = Number(lane.id);
					const now = after.has(id) ? after.get(id) : before(lane);
					return now ? [settled(now, settlement)] : [];
				});
				const known = held.flatMap(({ lane, settlement: { known: value, now } }) =>
					value === undefined ? [] : [{ lane, value, now }],
				);
				const saving: Promise<unknown>[] = [update(run, updated)];
				if (known.length > 0) saving.push(remember(run, known));
				for (const { lane, settlement } of held) {
					const { site, name }: Destination = settlement.lease.destination;
					counts.add(site, name, "leftOut", settlement.leftOut ?? 0);
					for (const alias of settlement.aliases ?? []) {
						saving.push(link(run, Number(lane.destination), { alias, person: String(lane.person) }, settlement.now));
					}
				}
				saving.push(counts.save());
				await Promise.all(saving);
				const isHeld = new Set(held.map(({ settlement }) => settlement));
				return settlements.map((settlement) => isHeld.has(settlement));
			}),

		/** Buries what was fanned out before a time and is not under way; some lanes at a time. */
		async expire({ destination, before: time, now }: { destination: Destination; before: number; now: number }) {
			const id = await destinations.id(destination);
			return transaction(async (run) => {
				const rows = await run(
					`SELECT * FROM eventferry.lane WHERE destination = $1 AND owed_since < $2 AND state <> 'leased'
					ORDER BY owed_since LIMIT ${expireLanes} FOR UPDATE SKIP LOCKED`,
					[id, time],
				);
				if (rows.length === 0) return 0;
				const old = await run(
					`SELECT t.lane, (SELECT count(*) FROM (
						SELECT stored_at FROM eventferry.entry WHERE entry.lane = t.lane ORDER BY event LIMIT ${lookAhead}
					) AS ahead WHERE stored_at < $2) AS count FROM unnest($1::bigint[]) AS t (lane)`,
					[rows.map((row) => row.id), time],
				);
				const lanes = new Map(rows.map((row) => [Number(row.id), row]));
				const counts = counters(run);
				const ends = old.flatMap(({ lane: of, count }): End[] => {
					const lane = lanes.get(Number(of));
					return lane
						? [{ lane, count: Number(count), ending: { kind: "dead", reason: "expired" }, attempts: 0, now }]
						: [];
				});
				const { after, ended } = await end(run, ends, counts);
				await Promise.all([
					update(
						run,
						[...after.values()].filter((lane) => lane !== undefined),
					),
					counts.save(),
				]);
				return ended;
			});
		},
	};
}
