import type { NewDeadLetter } from "../dead-letter.ts";
import type { Delivery } from "../deliveries.ts";
import { untried } from "../lane.ts";
import { type Ending, endingOf } from "../lease.ts";
import { lookAhead } from "../limits.ts";
import { counterOf } from "../tally.ts";
import { bodiesOf, bundleId, releaseBundles } from "./bundles.ts";
import { type Run, tellAtCommit } from "./connection.ts";
import type { Counts } from "./counters.ts";
import { insertDeadLetters } from "./dead-letters.ts";
import { type Entry, leadingEntries, removeEntries } from "./entries.ts";
import { arrangeLanes, type LockedLane } from "./lanes.ts";
import type { Shared } from "./shared.ts";

/** The end of leading deliveries of a locked lane. */
export interface End {
	lane: LockedLane;
	/** Maximum number of deliveries. */
	count: number;
	/** Condition on deliveries. The first delivery that does not meet it stays, with all after it. */
	isIncluded?(owed: Owed): boolean;
	ending: Ending;
	/** Number of attempts of each delivery to add to the attempts of the lane. */
	attempts: number;
	now: number;
}
type Owed = Delivery & { entry: Entry };
/** Leading entries of lanes, by the id of the lane. */
type Leading = ReadonlyMap<number, Entry[]>;

/** Deliveries of a lane that have ended, and deliveries that stay: at least the first of them, if there is any. */
interface Left {
	ended: readonly Owed[];
	left: readonly Owed[];
}

/** Makes dead letters of deliveries. The attempts of a lane were made for its first delivery. */
async function deadLettersOf(run: Run, ends: readonly (End & { ended: Owed[] })[]): Promise<NewDeadLetter[]> {
	const dead = ends.flatMap(({ ending, ...end }) => (ending.kind === "dead" ? [{ ...end, ending }] : []));
	const bodies = await bodiesOf(
		run,
		dead.flatMap(({ ended }) => ended.map(({ entry }) => entry)),
	);
	return dead.flatMap(({ lane, ended, ending: common, attempts, now }) =>
		ended.flatMap((delivery, index) => {
			const { entry, place, rank, reserved, trusted } = delivery;
			const ending = endingOf(common, delivery);
			if (ending.kind !== "dead") return [];
			return {
				destination: lane.destination,
				person: lane.person,
				body: bodies.get(bundleId(entry))?.[place] ?? "",
				rank,
				reserved,
				trusted,
				ending,
				attempts: entry.pastAttempts + attempts + (index === 0 ? lane.attempts : 0),
				firstAt: entry.firstAt ?? lane.failingSince ?? now,
				at: now,
			};
		}),
	);
}

export type Ends = ReturnType<typeof createEnds>;

export function createEnds({ destinations }: Pick<Shared, "destinations">) {
	async function countEnds(ends: readonly (End & { ended: Owed[]; isEmpty: boolean })[], counts: Counts) {
		for (const { lane, ending, ended, isEmpty } of ends) {
			const { site, name } = await destinations.byId(lane.destination);
			counts.add(site, name, "owed", -ended.length);
			for (const delivery of ended) counts.add(site, name, counterOf(endingOf(ending, delivery)), 1);
			if (isEmpty) counts.add(site, name, "lanes", -1);
		}
	}

	/** Returns the leading deliveries of locked lanes that have not ended. */
	function owedOf(lanes: readonly { lane: LockedLane }[], entries: Leading) {
		return new Map(
			lanes.map(({ lane }) => {
				const own = entries.get(lane.id) ?? [];
				const owed = own.flatMap((entry) => entry.deliveries.map((delivery): Owed => ({ ...delivery, entry })));
				return [lane.id, { own, owed: owed.slice(lane.done) }];
			}),
		);
	}

	/** Returns the new ranks of lanes. Reads more of a lane whose best delivery may have ended. */
	async function ranksOf(run: Run, ends: readonly (End & Left)[]): Promise<Map<number, number>> {
		const best = (owed: readonly Owed[]) => Math.min(...owed.map(({ rank }) => rank));
		const isKept = ({ lane, ended, left }: End & Left) => best(ended) > lane.rank || best(left) <= lane.rank;
		const unsure = ends.filter((each) => each.left.length > 0 && !isKept(each));
		const further = unsure.map(({ lane, ended }) => ({ id: lane.id, needed: ended.length + lookAhead }));
		const owed = owedOf(unsure, unsure.length > 0 ? await leadingEntries(run, further) : new Map());
		return new Map(
			ends.map(({ lane, ended, left }) => {
				const found = owed.get(lane.id);
				return [lane.id, found ? best(found.owed.slice(ended.length)) : Math.min(lane.rank, best(left))];
			}),
		);
	}

	/**
	 * Reads the entries that `end` needs to end `count` deliveries of each lane. To be called after the statement that
	 * locks the lanes; both can be sent together.
	 */
	const read = (run: Run, some: readonly { id: number; count: number }[]): Promise<Leading> =>
		leadingEntries(
			run,
			some.map(({ id, count }) => ({ id, needed: count + 1 })),
		);

	/**
	 * Ends leading deliveries of locked lanes. Deletes empty lanes; the caller must write the others. Does not wait for the
	 * statements that only write.
	 */
	async function end(run: Run, some: readonly End[], entries: Leading, counts: Counts) {
		if (some.length === 0) return [];
		const leading = owedOf(some, entries);
		const ends = some.map((each) => {
			const { lane, count, isIncluded = () => true } = each;
			const { own, owed } = leading.get(lane.id) ?? { own: [], owed: [] };
			const upTo = owed.findIndex((delivery, index) => index === count || !isIncluded(delivery));
			const [ended, left] = upTo < 0 ? [owed, []] : [owed.slice(0, upTo), owed.slice(upTo)];
			const [first] = left;
			const gone = first ? own.filter(({ id }) => id < first.entry.id) : own;
			return { ...each, ended, left, gone, isEmpty: !first };
		});
		const [ranks, letters] = await Promise.all([ranksOf(run, ends), deadLettersOf(run, ends)]);
		const gone = ends.flatMap((each) => each.gone);
		const empty = ends.filter(({ isEmpty }) => isEmpty).map(({ lane }) => lane.id);
		if (empty.length > 0) void run("DELETE FROM eventferry.lane WHERE id = ANY($1::bigint[])", [empty]);
		const removed = ends.filter(({ isEmpty, lane }) => isEmpty && lane.trusted).map(({ lane }) => lane);
		const arranging = arrangeLanes(run, removed);
		tellAtCommit(insertDeadLetters(run, letters), removeEntries(run, gone), releaseBundles(run, gone));
		const isArranged = await arranging;
		await countEnds(ends, counts);
		return ends.map(({ lane, left, ended, isEmpty }) => {
			const [first] = left;
			const after: LockedLane = {
				...lane,
				...untried,
				done: first ? first.entry.deliveries.findIndex(({ place }) => place === first.place) : 0,
				rank: ranks.get(lane.id) ?? lane.rank,
				// A lane of version 0.1.0 has events with and without the right to the reserve.
				reserved: first?.reserved === true,
				owedSince: first?.entry.storedAt ?? 0,
			};
			return { lane: after, isEmpty, yields: isArranged(lane), ended: ended.length };
		});
	}

	return { read, end };
}
