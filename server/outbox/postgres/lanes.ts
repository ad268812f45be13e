import type { History } from "../dead-letter.ts";
import { bestRank, type Delivery } from "../deliveries.ts";
import { type Lane, laneOf, type Trust, trustOf } from "../lane.ts";
import { awaitingShown, lookAhead, stepSize, untrustedMost } from "../limits.ts";
import { optionalNumber } from "../row.ts";
import { type BundleKey, bundleId } from "./bundles.ts";
import { columns, type Database, type Row, type Run } from "./connection.ts";
import type { Counts } from "./counters.ts";
import type { Destinations } from "./destinations.ts";
import { insertEntries } from "./entries.ts";
import type { Owner } from "./owners.ts";
import { olderOwners } from "./schema.ts";

/** An entry to be added to the end of a lane. */
export interface NewEntry extends BundleKey {
	destination: number;
	/** Key of the person, as it is stored. */
	person: string;
	deliveries: readonly Delivery[];
	/** True if other lanes owe events of the bundle as well. */
	isShared: boolean;
	history?: History;
}

interface GrowingLane extends Pick<Lane, "id" | "destination" | "person" | "trusted" | "reserved" | "rank"> {
	/** Rank in the row; undefined for a lane that has no row yet. */
	storedRank: number | undefined;
}

export type Place = Pick<Lane, "destination" | "person">;
const placeOf = ({ destination, person }: Place) => `${destination}\n${person}`;
/** Returns columns with each place once. */
const placeColumns = (places: readonly Place[]) =>
	columns([...new Map(places.map((each) => [placeOf(each), each])).values()], "destination", "person");
const keyOf = (lane: Place & Trust) => `${placeOf(lane)}\n${lane.trusted} ${lane.reserved}`;

/** SQL for the order in which every transaction locks lanes: a person's lanes as they are served. */
export const lockOrder = "lane.trusted DESC, lane.reserved DESC, lane.id";

/** Locks all lanes of people at destinations, in the order of every transaction. */
export const lockLanes = (run: Run, places: readonly Place[]) =>
	run(
		`SELECT FROM eventferry.lane JOIN unnest($1::integer[], $2::text[]) AS t (destination, person)
		USING (destination, person) ORDER BY ${lockOrder} FOR UPDATE OF lane`,
		placeColumns(places),
	);

/**
 * Lets people's lanes at a destination wait for their lanes of events with more trust. Locks the lanes first and
 * looks in a later statement, so that what another transaction has just done is seen. Resolves to a function that tells
 * whether lanes of a person were changed.
 */
export async function arrangeLanes(run: Run, places: readonly Place[]): Promise<(place: Place) => boolean> {
	if (places.length === 0) return () => false;
	const keys = placeColumns(places);
	void lockLanes(run, places);
	const changed = await run(
		`UPDATE eventferry.lane SET behind = NOT behind FROM unnest($1::integer[], $2::text[]) AS t (destination, person)
		WHERE lane.destination = t.destination AND lane.person = t.person AND behind <> EXISTS (
			SELECT FROM eventferry.lane AS better WHERE better.destination = lane.destination AND better.person = lane.person
			AND (better.trusted, better.reserved) > (lane.trusted, lane.reserved)
		) RETURNING lane.destination, lane.person`,
		keys,
	);
	const found = new Set(
		changed.map(({ destination, person }) => placeOf({ destination: Number(destination), person: String(person) })),
	);
	return (place) => found.has(placeOf(place));
}

/**
 * Lets lanes go on that still wait for a lane with more trust that is gone. A process of an older revision deletes lanes
 * without a look at the person's others.
 */
export const arrangeLeftLanes = ({ transaction }: Pick<Database, "transaction">) =>
	transaction(async (run) => {
		const rows = await run(
			`SELECT DISTINCT destination, person FROM eventferry.lane WHERE behind AND NOT EXISTS (
				SELECT FROM eventferry.lane AS better WHERE better.destination = lane.destination AND better.person = lane.person
				AND (better.trusted, better.reserved) > (lane.trusted, lane.reserved)
			) LIMIT ${stepSize}`,
		);
		await arrangeLanes(
			run,
			rows.map(({ destination, person }) => ({ destination: Number(destination), person: String(person) })),
		);
		return rows.length;
	});

/** Finds and locks the existing lanes of the people of entries. */
async function findLanes(run: Run, entries: readonly NewEntry[]): Promise<GrowingLane[]> {
	const found = await run(
		`SELECT id, destination, person, trusted, reserved, rank FROM eventferry.lane
		JOIN unnest($1::integer[], $2::text[]) AS t (destination, person) USING (destination, person)
		ORDER BY ${lockOrder} FOR UPDATE OF lane`,
		placeColumns(entries),
	);
	return found.map((row): GrowingLane => {
		const [id, destination, rank] = [Number(row.id), Number(row.destination), Number(row.rank)];
		return { id, destination, person: String(row.person), ...trustOf(row), rank, storedRank: rank };
	});
}

async function saveLanes(run: Run, lanes: readonly GrowingLane[], now: number): Promise<void> {
	const fresh = lanes.filter(({ storedRank }) => storedRank === undefined);
	const better = lanes.filter(({ storedRank, rank }) => storedRank !== undefined && rank < storedRank);
	if (fresh.length > 0) {
		void run(
			`INSERT INTO eventferry.lane (id, destination, person, rank, trusted, reserved, owed_since, turn)
			SELECT *, $7::bigint, nextval('eventferry.turn')
			FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::integer[], $5::boolean[], $6::boolean[])`,
			[...columns(fresh, "id", "destination", "person", "rank", "trusted", "reserved"), now],
		);
	}
	if (better.length === 0) return;
	await run(
		`UPDATE eventferry.lane SET rank = t.rank FROM unnest($1::bigint[], $2::integer[]) AS t (id, rank)
		WHERE lane.id = t.id`,
		columns(better, "id", "rank"),
	);
}

/** Makes lanes of people ready that wait for an event worth a profile. */
async function endAwaiting(run: Run, places: readonly Place[]): Promise<void> {
	if (places.length === 0) return;
	await run(
		`UPDATE eventferry.lane SET shown = ${lookAhead}, state = CASE state WHEN 'waiting' THEN 'ready' ELSE state END
		FROM unnest($1::integer[], $2::text[]) AS t (destination, person)
		WHERE lane.destination = t.destination AND lane.person = t.person AND shown = ${awaitingShown}`,
		placeColumns(places),
	);
}

/**
 * Adds entries to the ends of their lanes, in order, and counts their deliveries. The caller must hold the lock of
 * `lockWriting`, so that no other process adds to a lane or makes one. Entries of one bundle get the same id. While a
 * process of an older revision takes part, or may come back, a person has one lane at a destination, the one that it
 * would choose: with several, it would add events behind those of another lane.
 */
export async function addEntries(
	run: Run,
	added: readonly NewEntry[],
	{ destinations, counts, now, owner }: { destinations: Destinations; counts: Counts; now: number; owner: Owner },
): Promise<void> {
	if (added.length === 0) return;
	// An id for each entry, and one for its lane if that is new.
	const needed = 2 * added.length;
	const [found, [last]] = await Promise.all([
		findLanes(run, added),
		run(
			`SELECT setval('eventferry.id', nextval('eventferry.id') + $1::bigint) AS id, EXISTS (SELECT ${olderOwners}) AS has_older`,
			[needed],
		),
	]);
	const hasOlder = last?.has_older === true || owner.isOlderNear();
	const nameOf = hasOlder ? placeOf : keyOf;
	const lanes = new Map(found.sort((a, b) => a.id - b.id).map((lane) => [nameOf(lane), lane]));
	let nextId = Number(last?.id) - needed;
	const ids = new Map<string, number>();
	const entries = added.map(({ batch, place, destination, person, deliveries, isShared, history }) => {
		const bundle = bundleId({ batch, place });
		const id = ids.get(bundle) ?? ++nextId;
		ids.set(bundle, id);
		const { trusted = false, reserved = false } = deliveries[0] ?? {};
		const key = nameOf({ destination, person, trusted, reserved });
		const rank = bestRank(deliveries);
		const lane = lanes.get(key) ?? {
			id: ++nextId,
			destination,
			person,
			trusted: trusted || hasOlder,
			reserved,
			rank,
			storedRank: undefined,
		};
		lane.rank = Math.min(lane.rank, rank);
		lanes.set(key, lane);
		const { attempts: pastAttempts = 0, firstAt } = history ?? {};
		return { lane: lane.id, id, batch, place, deliveries, storedAt: now, firstAt, pastAttempts, isShared };
	});
	const several = [...Map.groupBy(lanes.values(), placeOf).values()].filter(
		(theirs) => theirs.length > 1 && theirs.some(({ storedRank }) => storedRank === undefined),
	);
	const worth = added.filter(({ deliveries, history }) => history || deliveries.some(({ earns }) => earns));
	const saving = [insertEntries(run, entries), saveLanes(run, [...lanes.values()], now), endAwaiting(run, worth)];
	await Promise.all([...saving, arrangeLanes(run, several.flat())]);
	for (const { destination, deliveries } of added) {
		const { site, name } = await destinations.byId(destination);
		counts.add(site, name, "owed", deliveries.length);
	}
	for (const { destination, storedRank } of lanes.values()) {
		const { site, name } = await destinations.byId(destination);
		if (storedRank === undefined) counts.add(site, name, "lanes", 1);
	}
}

/**
 * Returns a function that takes room for deliveries in a person's lane at a destination, and returns those that fit. Room
 * is limited in untrusted lanes, and in lanes that wait for an event worth a profile, which take such an event
 * nevertheless. The caller must hold the lock of `lockWriting`.
 */
export async function roomInLanes(run: Run, places: readonly Place[]) {
	const rows =
		places.length === 0
			? []
			: await run(
					`SELECT destination, person, trusted, reserved, shown, CASE WHEN NOT trusted OR shown = ${awaitingShown}
						THEN (SELECT sum(count) FROM eventferry.entry WHERE entry.lane = lane.id) - done ELSE 0 END AS owed
					FROM eventferry.lane JOIN unnest($1::integer[], $2::text[]) AS t (destination, person)
					USING (destination, person)`,
					placeColumns(places),
				);
	const lanes = new Map(
		rows.map((row) => [
			keyOf({ destination: Number(row.destination), person: String(row.person), ...trustOf(row) }),
			{ owed: Number(row.owed), isAwaiting: Number(row.shown) === awaitingShown },
		]),
	);
	return (place: Place, deliveries: readonly Delivery[]): readonly Delivery[] => {
		const { trusted = false, reserved = false } = deliveries[0] ?? {};
		const key = keyOf({ ...place, trusted, reserved });
		const { owed, isAwaiting } = lanes.get(key) ?? { owed: 0, isAwaiting: false };
		if (trusted && !isAwaiting) return deliveries;
		const room = untrustedMost - owed;
		const fitting = deliveries.filter(({ earns }, index) => index < room || (isAwaiting && earns));
		lanes.set(key, { owed: owed + fitting.length, isAwaiting });
		return fitting;
	};
}

/** A lane whose row this transaction has locked. */
export interface LockedLane extends Lane {
	state: string;
	owner: number | undefined;
	/** Number of deliveries of the first entry that have ended. */
	done: number;
	/** True to put the lane behind the others of its rank. */
	moves: boolean;
	/** True while another lane of the person comes first. */
	behind: boolean;
}

export const lockedLaneOf = (row: Row): LockedLane => ({
	...laneOf(row),
	state: String(row.state),
	owner: optionalNumber(row.owner),
	done: Number(row.done),
	moves: false,
	behind: row.behind === true,
});

export async function updateLanes(run: Run, lanes: readonly LockedLane[]): Promise<void> {
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
			"id",
			"state",
			"owner",
			"dueAt",
			"rank",
			"reserved",
			"owedSince",
			"attempts",
			"unreadable",
			"failingSince",
			"requests",
			"shown",
			"done",
			"moves",
		),
	);
}
