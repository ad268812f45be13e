import type { Buried } from "../dead-letter.ts";
import type { Delivery } from "../deliveries.ts";
import { untried } from "../lane.ts";
import type { Ending } from "../lease.ts";
import { lookAhead } from "../limits.ts";
import { counterOf } from "../tally.ts";
import { bodiesOf, nameOf, releaseBundles } from "./bundles.ts";
import type { Run } from "./connection.ts";
import type { Counts } from "./counters.ts";
import { bury } from "./dead-letters.ts";
import { type Entry, leadingEntries, removeEntries } from "./entries.ts";
import type { LockedLane } from "./lanes.ts";
import type { Shared } from "./shared.ts";

/** Leading deliveries of a locked lane that have ended. */
export interface End {
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

export type Ends = ReturnType<typeof createEnds>;

/** How deliveries end. */
export function createEnds({ destinations }: Pick<Shared, "destinations">) {
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

	return { end };
}
