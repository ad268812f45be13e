import { bestPacked, countPacked, splitPacked, unpackDeliveries } from "../deliveries.ts";
import { type Lane, untried } from "../lane.ts";
import { type Ending, endingOf } from "../lease.ts";
import { lookAhead } from "../limits.ts";
import { givesBack, purchaseIn } from "../purchase.ts";
import { optionalNumber } from "../row.ts";
import { counterOf } from "../tally.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Shared } from "./shared.ts";
import { bytesOf } from "./statements.ts";

export type Ends = ReturnType<typeof createEnds>;

export function createEnds(
	{ run, get, count, destinationOf, claims, bundles, lanes }: Shared,
	deadLetters: DeadLetters,
) {
	/** Gives the order of a discarded purchase in a lane back; ignores other events. */
	function giveBack({ destination: id, person }: Lane, body: string): void {
		const destination = destinationOf(id);
		const purchase = purchaseIn(destination.site, person, body);
		if (purchase) claims.giveBack(destination, person, purchase);
	}

	/**
	 * Ends and counts up to `most` deliveries of a lane's first entry; returns their number, and the packed rest of the
	 * entry. `tried` is the number of earlier attempts of the first delivery, `attemptsNow` that of the attempts to count for each.
	 */
	function endSome(lane: Lane, most: number, ending: Ending, now: number, tried: number, attemptsNow: number) {
		const entry = get("SELECT * FROM entry WHERE lane = ? ORDER BY bundle LIMIT 1", [lane.id]);
		if (!entry) return { done: 0, left: undefined };
		const bundle = Number(entry.bundle);
		const [ended, left] = splitPacked(bytesOf(entry.deliveries), most);
		const { destination, person } = lane;
		if (ending.kind === "delivered") count(destination, counterOf(ending), countPacked(ended));
		else {
			const past = Number(entry.past_attempts);
			const firstAt = optionalNumber(entry.first_at);
			for (const [index, delivery] of unpackDeliveries(ended).entries()) {
				const { place, rank, reserved, trusted } = delivery;
				const body = () => bundles.body(bundle, place);
				const own = endingOf(ending, delivery);
				count(destination, counterOf(own), 1);
				if (own.kind === "dead") {
					const attempts = past + attemptsNow + (index === 0 ? tried : 0);
					const letter = { destination, person, body: body(), rank, reserved, trusted, attempts };
					deadLetters.add({ ...letter, firstAt: firstAt ?? lane.failingSince ?? now, at: now, ending: own });
				} else if (givesBack({ trusted, attempts: past + lane.attempts, isReplay: firstAt !== undefined }))
					giveBack(lane, body());
			}
		}
		const done = countPacked(ended);
		if (left.length === 0) {
			run("DELETE FROM entry WHERE lane = ? AND bundle = ?", [lane.id, bundle]);
			bundles.release(bundle);
			return { done, left: undefined };
		}
		run("UPDATE entry SET deliveries = ?, rank = ? WHERE lane = ? AND bundle = ?", [
			left,
			bestPacked(left),
			lane.id,
			bundle,
		]);
		return { done, left };
	}

	/**
	 * Ends the leading deliveries of a lane. Deletes an empty lane; changes any other, which the caller must write. Returns
	 * whether the lane was empty, and whether another one of the person then comes next.
	 */
	function end(lane: Lane, deliveries: number, ending: Ending, now: number, attemptsNow = 1) {
		let done = 0;
		let rest: Uint8Array | undefined;
		for (let some = 1; some > 0 && done < deliveries; done += some) {
			// The attempts of a lane were made for its first delivery.
			const tried = done === 0 ? lane.attempts : 0;
			({ done: some, left: rest } = endSome(lane, deliveries - done, ending, now, tried, attemptsNow));
		}
		count(lane.destination, "owed", -done);
		// The rest of the entry has as good a rank: the rank and the age of the lane stay.
		if (rest && bestPacked(rest) <= lane.rank) {
			Object.assign(lane, untried);
			return { isEmpty: false, yields: false };
		}
		const first = get(
			`SELECT stored_at, (SELECT min(rank) FROM
				(SELECT rank FROM entry WHERE lane = ?1 ORDER BY bundle LIMIT ${lookAhead})) AS best
			FROM entry JOIN owing ON owing.bundle = entry.bundle WHERE lane = ?1 ORDER BY entry.bundle LIMIT 1`,
			[lane.id],
		);
		if (!first) {
			return { isEmpty: true, yields: lanes.remove(lane) };
		}
		Object.assign(lane, { ...untried, rank: Number(first.best), owedSince: Number(first.stored_at) });
		return { isEmpty: false, yields: false };
	}

	return { end };
}
