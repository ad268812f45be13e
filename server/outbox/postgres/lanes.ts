import type { History } from "../dead-letter.ts";
import { bestRank, type Delivery } from "../deliveries.ts";
import { type Lane, laneOf } from "../lane.ts";
import { optionalNumber } from "../row.ts";
import { type BundleKey, bundleId } from "./bundles.ts";
import { columns, type Row, type Run } from "./connection.ts";
import type { Counts } from "./counters.ts";
import type { Destinations } from "./destinations.ts";
import { insertEntries } from "./entries.ts";

/** An entry to be added to the end of a lane. */
export interface NewEntry extends BundleKey {
	destination: number;
	/** Key of the person, as it is stored. */
	person: string;
	deliveries: Delivery[];
	/** True if other lanes owe events of the bundle as well. */
	isShared: boolean;
	history?: History;
}

interface GrowingLane extends Pick<Lane, "id" | "destination" | "person" | "rank" | "reserved"> {
	/** Rank in the row; undefined for a lane that has no row yet. */
	storedRank: number | undefined;
}

const keyOf = ({ destination, person }: Pick<NewEntry, "destination" | "person">) => `${destination}\n${person}`;

/** Finds and locks the existing lanes of entries, in the order in which every transaction locks lanes. */
async function findLanes(run: Run, entries: readonly NewEntry[]): Promise<Map<string, GrowingLane>> {
	const wanted = [...new Map(entries.map((entry) => [keyOf(entry), entry])).values()];
	const found = await run(
		`SELECT id, destination, person, rank FROM eventferry.lane
		JOIN unnest($1::integer[], $2::text[]) AS t (destination, person) USING (destination, person)
		ORDER BY id FOR UPDATE OF lane`,
		columns(wanted, "destination", "person"),
	);
	const lanes = found.map((row): GrowingLane => {
		const [id, destination, rank] = [Number(row.id), Number(row.destination), Number(row.rank)];
		return { id, destination, person: String(row.person), rank, reserved: false, storedRank: rank };
	});
	return new Map(lanes.map((lane) => [keyOf(lane), lane]));
}

async function saveLanes(run: Run, lanes: readonly GrowingLane[], now: number): Promise<void> {
	const fresh = lanes.filter(({ storedRank }) => storedRank === undefined);
	const better = lanes.filter(({ storedRank, rank }) => storedRank !== undefined && rank < storedRank);
	if (fresh.length > 0) {
		void run(
			`INSERT INTO eventferry.lane (id, destination, person, rank, reserved, owed_since, turn)
			SELECT *, $6::bigint, nextval('eventferry.turn')
			FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::integer[], $5::boolean[])`,
			[...columns(fresh, "id", "destination", "person", "rank", "reserved"), now],
		);
	}
	if (better.length === 0) return;
	await run(
		`UPDATE eventferry.lane SET rank = t.rank FROM unnest($1::bigint[], $2::integer[]) AS t (id, rank)
		WHERE lane.id = t.id`,
		columns(better, "id", "rank"),
	);
}

/**
 * Adds entries to the ends of their lanes, in order, and counts their deliveries. The caller must hold the lock of
 * `lockWriting`, so that no other process adds to a lane or makes one. Entries of one bundle get the same id.
 */
export async function addEntries(
	run: Run,
	added: readonly NewEntry[],
	{ destinations, counts, now }: { destinations: Destinations; counts: Counts; now: number },
): Promise<void> {
	if (added.length === 0) return;
	// An id for each entry, and one for its lane if that is new.
	const needed = 2 * added.length;
	const [lanes, [last]] = await Promise.all([
		findLanes(run, added),
		run("SELECT setval('eventferry.id', nextval('eventferry.id') + $1::bigint) AS id", [needed]),
	]);
	let nextId = Number(last?.id) - needed;
	const ids = new Map<string, number>();
	const entries = added.map(({ batch, place, destination, person, deliveries, isShared, history }) => {
		const bundle = bundleId({ batch, place });
		const id = ids.get(bundle) ?? ++nextId;
		ids.set(bundle, id);
		const key = keyOf({ destination, person });
		const rank = bestRank(deliveries);
		const reserved = deliveries[0]?.reserved === true;
		const lane = lanes.get(key) ?? { id: ++nextId, destination, person, rank, reserved, storedRank: undefined };
		lane.rank = Math.min(lane.rank, rank);
		lanes.set(key, lane);
		const { attempts: pastAttempts = 0, firstAt } = history ?? {};
		return { lane: lane.id, id, batch, place, deliveries, storedAt: now, firstAt, pastAttempts, isShared };
	});
	await Promise.all([insertEntries(run, entries), saveLanes(run, [...lanes.values()], now)]);
	for (const { destination, deliveries } of added) {
		const { site, name } = await destinations.byId(destination);
		counts.add(site, name, "owed", deliveries.length);
	}
	for (const { destination, storedRank } of lanes.values()) {
		const { site, name } = await destinations.byId(destination);
		if (storedRank === undefined) counts.add(site, name, "lanes", 1);
	}
}

/** A lane whose row this transaction has locked. */
export interface LockedLane extends Lane {
	state: string;
	owner: number | undefined;
	/** Number of deliveries of the first entry that have ended. */
	done: number;
	/** True to put the lane behind the others of its rank. */
	moves: boolean;
}

export const lockedLaneOf = (row: Row): LockedLane => ({
	...laneOf(row),
	state: String(row.state),
	owner: optionalNumber(row.owner),
	done: Number(row.done),
	moves: false,
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
