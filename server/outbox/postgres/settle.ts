import type { Buried } from "../dead-letter.ts";
import type { Delivery } from "../deliveries.ts";
import type { Destination } from "../destination.ts";
import { type Lane, laneOf, untried } from "../lane.ts";
import type { Ending, Settlement } from "../lease.ts";
import { expireLanes, knownFreshMs, lookAhead } from "../limits.ts";
import { optionalNumber } from "../row.ts";
import { settledLane } from "../settled-lane.ts";
import { counterOf } from "../tally.ts";
import { bodiesOf, nameOf, releaseBundles } from "./bundles.ts";
import { columns, type Database, type Row, type Run } from "./connection.ts";
import type { Counts, createCounters } from "./counters.ts";
import { bury } from "./dead-letters.ts";
import type { Destinations } from "./destinations.ts";
import { type Entry, leadingEntries, removeEntries } from "./entries.ts";
import { link } from "./links.ts";
import { storable } from "./text.ts";

/** A lane that this transaction has locked. */
interface LockedLane extends Lane {
	state: string;
	owner: number | undefined;
	/** Deliveries of its first entry that have ended. */
	done: number;
	/** Whether it goes to the end of the turn. */
	moves: boolean;
}

/** Leading deliveries of a locked lane that have ended. */
interface End {
	lane: LockedLane;
	/** How many at most. */
	count: number;
	/** Which of them, if not all: up to the first for which it does not hold. */
	isMeant?(owed: Owed): boolean;
	ending: Ending;
	/** Attempts that are to be counted for this ending itself. */
	attempts: number;
	now: number;
}
type Owed = Delivery & { entry: Entry };

/** What has ended of a lane, and what is known to come after it: at least the first, if there is any. */
interface Left {
	ended: readonly Owed[];
	left: readonly Owed[];
}

const lockedLaneOf = (row: Row): LockedLane => ({
	...laneOf(row),
	state: String(row.state),
	owner: optionalNumber(row.owner),
	done: Number(row.done),
	moves: false,
});

async function update(run: Run, lanes: readonly LockedLane[]): Promise<void> {
	if (lanes.length === 0) return;
	await run(
		`UPDATE eventferry.lane SET state = t.state, owner = t.owner, due_at = t.due_at, rank = t.rank,
			reserved = t.reserved, owed_since = t.owed_since, attempts = t.attempts, unreadable = t.unreadable,
			failing_since = t.failing_since, requests = t.requests, shown = t.shown, done = t.done,
			turn = CASE WHEN t.moves THEN nextval('eventferry.turn') ELSE lane.turn END
		FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::integer[], $6::boolean[], $7::bigint[],
			$8::integer[], $9::integer[], $10::bigint[], $11::integer[], $12::integer[], $13::integer[], $14::boolean[])
			AS t (id, state, owner, due_at, rank, reserved, owed_since, attempts, unreadable, failing_since, requests,
				shown, done, moves)
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
			({ done }) => done,
			({ moves }) => moves,
		),
	);
}

const remember = (run: Run, known: readonly { lane: LockedLane; value: string; now: number }[]) =>
	run(
		`INSERT INTO eventferry.known (destination, person, value, used_at)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[])
		ON CONFLICT (destination, person) DO UPDATE SET value = excluded.value, used_at = excluded.used_at
		WHERE known.value <> excluded.value OR abs(known.used_at - excluded.used_at) > ${knownFreshMs}`,
		columns(
			known,
			({ lane }) => lane.destination,
			({ lane }) => lane.person,
			({ value }) => storable(value),
			({ now }) => now,
		),
	);

/** What dead letters are made of. What a lane has tried it has tried for its first delivery. */
async function buriedOf(run: Run, ends: readonly (End & { ended: Owed[] })[]): Promise<Buried[]> {
	const dead = ends.flatMap(({ ending, ...end }) => (ending.kind === "dead" ? [{ ...end, ending }] : []));
	const bodies = await bodiesOf(
		run,
		dead.flatMap(({ ended }) => ended.map(({ entry }) => entry)),
	);
	return dead.flatMap(({ lane, ended, ending, attempts, now }) =>
		ended.map(({ entry, place, rank, reserved }, index) => ({
			destination: lane.destination,
			person: lane.person,
			body: bodies.get(nameOf(entry))?.[place] ?? "",
			rank,
			reserved,
			ending,
			attempts: entry.pastAttempts + attempts + (index === 0 ? lane.attempts : 0),
			firstAt: entry.firstAt ?? lane.failingSince ?? now,
			at: now,
		})),
	);
}

/** A lane as its settlement leaves it: free, and at the end of the turn unless the request was only on the way. */
const released = (lane: LockedLane, settlement: Settlement): LockedLane => ({
	...settledLane(lane, settlement),
	state: settlement.failed ? "waiting" : "ready",
	owner: undefined,
	moves: !settlement.isOnTheWay,
});

interface Parts {
	destinations: Destinations;
	counters: ReturnType<typeof createCounters>;
	owner(): { id: number };
}

/** What became of leases. Lanes are locked first, and what they owe is looked at in later statements: what was added in between is seen. */
export function createSettling(
	{ transaction }: Pick<Database, "transaction">,
	{ destinations, counters, owner }: Parts,
) {
	async function countEnds(ends: readonly (End & { ended: Owed[]; isEmpty: boolean })[], counts: Counts) {
		for (const { lane, ending, ended, isEmpty } of ends) {
			const { site, name } = await destinations.named(lane.destination);
			counts.add(site, name, "owed", -ended.length);
			counts.add(site, name, counterOf(ending), ended.length);
			if (isEmpty) counts.add(site, name, "lanes", -1);
		}
	}

	/** Leading deliveries of locked lanes, those that have ended left out; as many of each as asked, or all there are. */
	async function leadingOwed(run: Run, wanted: readonly { lane: LockedLane; count: number }[]) {
		const needed = wanted.map(({ lane, count }) => ({ id: lane.id, needed: lane.done + count }));
		const entries = await leadingEntries(run, needed);
		return new Map(
			wanted.map(({ lane }) => {
				const own = entries.get(lane.id) ?? [];
				const owed = own.flatMap((entry) => entry.deliveries.map((delivery): Owed => ({ ...delivery, entry })));
				return [lane.id, { own, owed: owed.slice(lane.done) }];
			}),
		);
	}

	/** The ranks of lanes by what is left of them; a lane whose best may have ended is looked into further. */
	async function ranksOf(run: Run, ends: readonly (End & Left)[]): Promise<Map<number, number>> {
		const best = (owed: readonly Owed[]) => Math.min(...owed.map(({ rank }) => rank));
		const isKept = ({ lane, ended, left }: End & Left) => best(ended) > lane.rank || best(left) <= lane.rank;
		const unsure = ends.filter((each) => each.left.length > 0 && !isKept(each));
		const further = unsure.map(({ lane, ended }) => ({ lane, count: ended.length + lookAhead }));
		const owed = unsure.length > 0 ? await leadingOwed(run, further) : new Map<number, { owed: Owed[] }>();
		return new Map(
			ends.map(({ lane, ended, left }) => {
				const found = owed.get(lane.id);
				return [lane.id, found ? best(found.owed.slice(ended.length)) : Math.min(lane.rank, best(left))];
			}),
		);
	}

	/** Ends leading deliveries of locked lanes, and makes of each lane what is left; those that are empty then are deleted. */
	async function end(run: Run, some: readonly End[], counts: Counts) {
		if (some.length === 0) return [];
		const leading = await leadingOwed(
			run,
			some.map(({ lane, count }) => ({ lane, count: count + 1 })),
		);
		const ends = some.map((each) => {
			const { lane, count, isMeant = () => true } = each;
			const { own, owed } = leading.get(lane.id) ?? { own: [], owed: [] };
			const upTo = owed.findIndex((delivery, index) => index === count || !isMeant(delivery));
			const [ended, left] = upTo < 0 ? [owed, []] : [owed.slice(0, upTo), owed.slice(upTo)];
			const [first] = left;
			const gone = first ? own.filter(({ id }) => id < first.entry.id) : own;
			return { ...each, ended, left, gone, isEmpty: !first };
		});
		const [ranks, buried] = await Promise.all([ranksOf(run, ends), buriedOf(run, ends)]);
		const gone = ends.flatMap((each) => each.gone);
		const empty = ends.filter(({ isEmpty }) => isEmpty).map(({ lane }) => lane.id);
		if (empty.length > 0) void run("DELETE FROM eventferry.lane WHERE id = ANY($1::bigint[])", [empty]);
		await Promise.all([bury(run, buried), removeEntries(run, gone), releaseBundles(run, gone)]);
		await countEnds(ends, counts);
		return ends.map(({ lane, left, ended, isEmpty }) => {
			const [first] = left;
			const after: LockedLane = {
				...lane,
				...untried,
				done: first ? first.entry.deliveries.findIndex(({ place }) => place === first.place) : 0,
				rank: ranks.get(lane.id) ?? lane.rank,
				reserved: first?.reserved === true,
				owedSince: first?.entry.storedAt ?? 0,
			};
			return { lane: after, isEmpty, ended: ended.length };
		});
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
				const lanes = new Map(rows.map((row) => [`${row.id} ${row.lease}`, lockedLaneOf(row)]));
				const held = settlements.flatMap((settlement) => {
					const lane = lanes.get(`${settlement.lease.lane} ${settlement.lease.number}`);
					return lane ? [{ lane, settlement }] : [];
				});
				const counts = counters(run);
				const ends = held.flatMap(({ lane, settlement: { ended, now } }): End[] =>
					ended ? [{ lane, count: ended.count, ending: ended.ending, attempts: 1, now }] : [],
				);
				const after = new Map((await end(run, ends, counts)).map((each) => [each.lane.id, each]));
				const updated = held.flatMap(({ lane, settlement }) => {
					const ended = after.get(lane.id);
					return ended?.isEmpty ? [] : [released(ended?.lane ?? lane, settlement)];
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
						saving.push(link(run, lane.destination, { alias, person: lane.person }, settlement.now));
					}
				}
				saving.push(counts.save());
				await Promise.all(saving);
				const isHeld = new Set(held.map(({ settlement }) => settlement));
				return settlements.map((settlement) => isHeld.has(settlement));
			}),

		/** Buries what was fanned out before a time and is not under way; some lanes at a time. */
		async expire({ destination, before, now }: { destination: Destination; before: number; now: number }) {
			const id = await destinations.id(destination);
			return transaction(async (run) => {
				const rows = await run(
					`SELECT * FROM eventferry.lane WHERE destination = $1 AND owed_since < $2 AND state <> 'leased'
					ORDER BY owed_since LIMIT ${expireLanes} FOR UPDATE SKIP LOCKED`,
					[id, before],
				);
				const counts = counters(run);
				const ends = rows.map(
					(row): End => ({
						lane: lockedLaneOf(row),
						count: lookAhead,
						isMeant: ({ entry }) => entry.storedAt < before,
						ending: { kind: "dead", reason: "expired" },
						attempts: 0,
						now,
					}),
				);
				const after = await end(run, ends, counts);
				const left = after.filter(({ isEmpty }) => !isEmpty).map(({ lane }) => lane);
				await Promise.all([update(run, left), counts.save()]);
				return after.reduce((sum, { ended }) => sum + ended, 0);
			});
		},
	};
}
