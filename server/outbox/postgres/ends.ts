import type { NewDeadLetter } from "../dead-letter.ts";
import type { Delivery } from "../deliveries.ts";
import { untried } from "../lane.ts";
import { type Ending, endingOf } from "../lease.ts";
import { lookAhead } from "../limits.ts";
import { givenBack, givesBack, purchaseIn } from "../purchase.ts";
import { counterOf } from "../tally.ts";
import { bodiesOf, bundleId, releaseBundles } from "./bundles.ts";
import { type KeyedClaim, keyed, saveClaims } from "./claims.ts";
import { type Run, tellAtCommit } from "./connection.ts";
import type { Counts } from "./counters.ts";
import { insertDeadLetters } from "./dead-letters.ts";
import { type Entry, leadingEntries, removeEntries } from "./entries.ts";
import { arrangeLanes, type LockedLane } from "./lanes.ts";
import type { Shared } from "./shared.ts";
import { restored } from "./text.ts";

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

/** A delivery that ends undelivered, and must be read for it. */
type Undelivered = Omit<End, "ending"> & { delivery: Owed; index: number; ending: Ending };

/** Lists the deliveries that become dead letters or may give an order back. */
const undeliveredOf = (ends: readonly (End & { ended: Owed[] })[]): Undelivered[] =>
	ends.flatMap(({ ended, ending: common, ...end }) =>
		ended.flatMap((delivery, index) => {
			const { trusted, entry } = delivery;
			const ending = endingOf(common, delivery);
			const attempts = entry.pastAttempts + end.lane.attempts;
			const isBack =
				ending.kind === "discarded" && givesBack({ trusted, attempts, isReplay: entry.firstAt !== undefined });
			return ending.kind === "dead" || isBack ? [{ ...end, delivery, index, ending }] : [];
		}),
	);

/** Makes a dead letter of a delivery. The attempts of a lane were made for its first delivery. */
function deadLetterOf(
	{ lane, delivery, index, ending, attempts: own, now }: Undelivered,
	body: string,
): NewDeadLetter[] {
	if (ending.kind !== "dead") return [];
	const { destination, person, failingSince = now } = lane;
	const { entry, rank, reserved, trusted } = delivery;
	const attempts = entry.pastAttempts + own + (index === 0 ? lane.attempts : 0);
	const letter = { destination, person, body, rank, reserved, trusted, ending, attempts };
	return [{ ...letter, firstAt: entry.firstAt ?? failingSince, at: now }];
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

	/** Makes the claim that gives the order of a discarded purchase back; none for other events. */
	async function givenBackBy({ lane, ending }: Undelivered, body: string): Promise<KeyedClaim[]> {
		if (ending.kind !== "discarded") return [];
		const { site, name } = await destinations.byId(lane.destination);
		const person = restored(lane.person);
		const purchase = purchaseIn(site, person, body);
		return purchase ? [keyed(site, person, givenBack(purchase, name))] : [];
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
		const undelivered = undeliveredOf(ends);
		const entriesRead = undelivered.map(({ delivery }) => delivery.entry);
		const [ranks, bodies] = await Promise.all([ranksOf(run, ends), bodiesOf(run, entriesRead)]);
		const bodyOf = ({ entry, place }: Owed) => bodies.get(bundleId(entry))?.[place] ?? "";
		const letters = undelivered.flatMap((each) => deadLetterOf(each, bodyOf(each.delivery)));
		const back = await Promise.all(undelivered.map((each) => givenBackBy(each, bodyOf(each.delivery))));
		const gone = ends.flatMap((each) => each.gone);
		const empty = ends.filter(({ isEmpty }) => isEmpty).map(({ lane }) => lane.id);
		if (empty.length > 0) void run("DELETE FROM eventferry.lane WHERE id = ANY($1::bigint[])", [empty]);
		const removed = ends.filter(({ isEmpty, lane }) => isEmpty && lane.trusted).map(({ lane }) => lane);
		const arranging = arrangeLanes(run, removed);
		tellAtCommit(insertDeadLetters(run, letters), saveClaims(run, back.flat()));
		tellAtCommit(removeEntries(run, gone), releaseBundles(run, gone));
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
