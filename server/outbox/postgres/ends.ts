import type { NewDeadLetter } from "../dead-letter.ts";
import type { Delivery } from "../deliveries.ts";
import { untried } from "../lane.ts";
import type { Ending } from "../lease.ts";
import { lookAhead } from "../limits.ts";
import { counterOf } from "../tally.ts";
import { bodiesOf, bundleId, releaseBundles } from "./bundles.ts";
import type { Run } from "./connection.ts";
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
	return dead.flatMap(({ lane, ended, ending, attempts, now }) =>
		ended.map(({ entry, place, rank, reserved, trusted }, index) => ({
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
		})),
	);
}

export type Ends = ReturnType<typeof createEnds>;

export function createEnds({ destinations }: Pick<Shared, "destinations">) {
	async function countEnds(ends: readonly (End & { ended: Owed[]; isEmpty: boolean })[], counts: Counts) {
		for (const { lane, ending, ended, isEmpty } of ends) {
			const { site, name } = await destinations.byId(lane.destination);
			counts.add(site, name, "owed", -ended.length);
			counts.add(site, name, counterOf(ending), ended.length);
			if (isEmpty) counts.add(site, name, "lanes", -1);
		}
	}

	/** Reads up to `count` leading deliveries of each locked lane that have not ended. */
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

	/** Returns the new ranks of lanes. Reads more of a lane whose best delivery may have ended. */
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

	/** Ends leading deliveries of locked lanes. Deletes empty lanes; the caller must write the others. */
	async function end(run: Run, some: readonly End[], counts: Counts) {
		if (some.length === 0) return [];
		const leading = await leadingOwed(
			run,
			some.map(({ lane, count }) => ({ lane, count: count + 1 })),
		);
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
		const [isArranged] = await Promise.all([
			arrangeLanes(run, removed),
			insertDeadLetters(run, letters),
			removeEntries(run, gone),
			releaseBundles(run, gone),
		]);
		await countEnds(ends, counts);
		return ends.map(({ lane, left, ended, isEmpty }) => {
			const [first] = left;
			const after: LockedLane = {
				...lane,
				...untried,
				done: first ? first.entry.deliveries.findIndex(({ place }) => place === first.place) : 0,
				rank: ranks.get(lane.id) ?? lane.rank,
				owedSince: first?.entry.storedAt ?? 0,
			};
			return { lane: after, isEmpty, yields: isArranged(lane), ended: ended.length };
		});
	}

	return { end };
}
