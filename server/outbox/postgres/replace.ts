import { bestRank, type Delivery, deliverySize, packDeliveries } from "../deliveries.ts";
import { isUntried, purchaseIn } from "../purchase.ts";
import { linesOf, releaseBundles } from "./bundles.ts";
import { columns, type Run, tellAtCommit } from "./connection.ts";
import type { Counts } from "./counters.ts";
import type { Destinations } from "./destinations.ts";
import { type Entry, entryOf, removeEntries } from "./entries.ts";
import { type LockedLane, lockedLaneOf, lockLanes, type Place, updateLanes } from "./lanes.ts";
import { isLeased, type Owner } from "./owners.ts";
import { storable } from "./text.ts";

/** A place of a person at a destination where a purchase of theirs may give way. */
export interface Sought {
	site: string;
	name: string;
	person: string;
}

/** An entry of a lane with the deliveries that are still owed, and the bodies of its bundle. */
interface Owed {
	entry: Entry;
	owed: Delivery[];
	bodies: string[];
}

/** A purchase that waits, and the key of its id. */
interface Waiting {
	lane: LockedLane;
	entry: Entry;
	delivery: Delivery;
	id: string;
}

/** Reads the lanes of least trust at some places, if nothing of them was sent, and what they owe. */
async function readUntried(run: Run, places: readonly Place[], owner: Owner) {
	const rows = await run(
		`SELECT lane.* FROM eventferry.lane JOIN unnest($1::integer[], $2::text[]) AS t (destination, person)
		USING (destination, person) WHERE NOT trusted AND NOT reserved AND NOT (${isLeased("lane", "$3")})`,
		[...columns(places, "destination", "person"), owner.knownTo],
	);
	const lanes = rows.map(lockedLaneOf).filter(isUntried);
	const found = await run(
		`SELECT entry.*, bodies FROM eventferry.entry JOIN eventferry.bundle USING (batch, place)
		WHERE lane = ANY($1::bigint[]) ORDER BY lane, id`,
		[lanes.map(({ id }) => id)],
	);
	const entries = Map.groupBy(found, (row) => Number(row.lane));
	return lanes.map((lane) => ({
		lane,
		entries: (entries.get(lane.id) ?? []).map((row, index): Owed => {
			const entry = entryOf(row);
			return { entry, owed: entry.deliveries.slice(index === 0 ? lane.done : 0), bodies: linesOf(row.bodies) };
		}),
	}));
}

const keyOf = ({ site, name, person }: Sought, order: string) => JSON.stringify([site, name, person, order]);

/**
 * Finds the untrusted purchases that wait unsent at some places. `everyone` lists the places of all lanes that the
 * transaction may change: they are locked at once, as every transaction locks lanes in one order. The caller must hold
 * the lock of `lockWriting`.
 */
export async function findPurchases(
	run: Run,
	sought: readonly (Sought & Place)[],
	everyone: readonly Place[],
	{ destinations, owner }: { destinations: Destinations; owner: Owner },
) {
	void lockLanes(run, everyone);
	const stored = sought.map((each) => ({ ...each, person: storable(each.person) }));
	const all = await readUntried(run, stored, owner);
	const waiting = new Map<string, Waiting>();
	for (const each of sought) {
		const { site, person, destination } = each;
		const theirs = all.find(({ lane }) => lane.destination === destination && lane.person === storable(person));
		for (const { entry, owed, bodies } of theirs?.entries ?? []) {
			if (!theirs || entry.pastAttempts > 0 || entry.firstAt !== undefined) continue;
			for (const delivery of owed) {
				const purchase = purchaseIn(site, person, bodies[delivery.place] ?? "");
				const key = purchase && keyOf(each, purchase.order);
				if (key && !waiting.has(key)) waiting.set(key, { lane: theirs.lane, entry, delivery, id: purchase.id });
			}
		}
	}
	const gone = new Set<Waiting>();

	/** Returns what a lane owes without the removed purchases, and the entries that these change. */
	function without(entries: readonly Owed[]) {
		const isGone = (entry: Entry, delivery: Delivery) =>
			[...gone].some((each) => each.entry === entry && each.delivery === delivery);
		const left = entries.map(({ entry, owed }, index) => {
			const deliveries = entry.deliveries.filter((each) => !isGone(entry, each));
			return { index, entry: { ...entry, deliveries }, owed: owed.filter((each) => !isGone(entry, each)) };
		});
		const changed = left.filter(
			({ entry, index }) => entry.deliveries.length < (entries[index]?.entry.deliveries.length ?? 0),
		);
		return { left: left.filter(({ owed }) => owed.length > 0), changed };
	}

	return {
		/** Removes a purchase with this key of its order. Returns the key of its id; undefined if there is none. */
		giveWay(place: Sought, order: string): string | undefined {
			const found = waiting.get(keyOf(place, order));
			if (found) gone.add(found);
			return found?.id;
		},

		/** Writes the removals. Changes each lane's row, so that a take that has begun does not show what it read before. */
		async save(counts: Counts): Promise<void> {
			const kept: LockedLane[] = [];
			const empty: LockedLane[] = [];
			const changed: ReturnType<typeof without>["changed"] = [];
			for (const { lane, entries } of all) {
				const ended = [...gone].filter((each) => each.lane === lane).length;
				if (ended === 0) continue;
				const rest = without(entries);
				changed.push(...rest.changed);
				const [first] = rest.left;
				const { site, name } = await destinations.byId(lane.destination);
				counts.add(site, name, "owed", -ended);
				counts.add(site, name, "lanes", first ? 0 : -1);
				if (!first) empty.push(lane);
				else
					kept.push({
						...lane,
						// A lease that has ended with its owner must not be settled.
						...(lane.state === "leased" && { state: "ready", owner: undefined }),
						done: first.index === 0 ? lane.done : 0,
						rank: bestRank(rest.left.flatMap(({ owed }) => owed)),
						owedSince: first.entry.storedAt,
					});
			}
			if (kept.length + empty.length === 0) return;
			const emptied = changed.filter(({ owed }) => owed.length === 0).map(({ entry }) => entry);
			const shortened = changed.filter(({ owed }) => owed.length > 0).map(({ entry }) => entry);
			const deleting = run("DELETE FROM eventferry.lane WHERE id = ANY($1::bigint[])", [empty.map(({ id }) => id)]);
			const shortening = run(
				`UPDATE eventferry.entry SET deliveries = t.deliveries, count = octet_length(t.deliveries) / ${deliverySize}
				FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS t (lane, id, deliveries)
				WHERE entry.lane = t.lane AND entry.id = t.id`,
				columns(shortened, "lane", "id", ({ deliveries }) => Buffer.from(packDeliveries(deliveries))),
			);
			const releasing = [removeEntries(run, emptied), releaseBundles(run, emptied)];
			tellAtCommit(deleting, shortening, updateLanes(run, kept), ...releasing);
		},
	};
}
