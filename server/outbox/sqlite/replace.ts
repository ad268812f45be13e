import { bestRank, packDeliveries } from "../deliveries.ts";
import type { Destination } from "../destination.ts";
import { lookAhead } from "../limits.ts";
import { isUntried, purchaseIn } from "../purchase.ts";
import type { Base } from "./base.ts";
import { deliveriesOf } from "./entries.ts";
import type { createLanes } from "./lanes.ts";
import type { createLeases } from "./leases.ts";

interface Parts extends Base {
	lanes: ReturnType<typeof createLanes>;
	leases: ReturnType<typeof createLeases>;
}

/** Makes the search for a waiting purchase, which gives way to another one of the same order. */
export function createReplacing({ run, get, all, idOf, count, bundles, lanes, leases }: Parts) {
	/** Finds a person's lane of least trust at a destination, if nothing of it has been sent. */
	function untriedLane(destination: number, person: string) {
		const lane = lanes.find(destination, person).find(({ trusted, reserved }) => !trusted && !reserved);
		return lane && leases.leasedUntil(lane.id) === undefined && isUntried(lane) ? lane : undefined;
	}

	/**
	 * Removes a person's untrusted purchase with this key of its order from their lane at a destination, where it waits
	 * unsent. Returns the key of its id; undefined if there is none.
	 */
	return function giveWay({ site, name }: Destination, person: string, order: string): string | undefined {
		const destination = idOf(site, name);
		const lane = untriedLane(destination, person);
		if (!lane) return undefined;
		const entries = all(
			"SELECT bundle, deliveries FROM entry WHERE lane = ? AND past_attempts = 0 AND first_at IS NULL ORDER BY bundle",
			[lane.id],
		);
		for (const entry of entries) {
			const bundle = Number(entry.bundle);
			const deliveries = deliveriesOf(entry);
			let id: string | undefined;
			const gone = deliveries.findIndex(({ place }) => {
				const purchase = purchaseIn(site, person, bundles.body(bundle, place));
				id = purchase?.id;
				return purchase?.order === order;
			});
			if (gone < 0) continue;
			const left = deliveries.toSpliced(gone, 1);
			if (left.length === 0) {
				run("DELETE FROM entry WHERE lane = ? AND bundle = ?", [lane.id, bundle]);
				bundles.release(bundle);
			} else {
				run("UPDATE entry SET deliveries = ?3, rank = ?4 WHERE lane = ?1 AND bundle = ?2", [
					...[lane.id, bundle],
					...[packDeliveries(left), bestRank(left)],
				]);
			}
			count(destination, "owed", -1);
			const first = get(
				`SELECT stored_at, (SELECT min(rank) FROM
					(SELECT rank FROM entry WHERE lane = ?1 ORDER BY bundle LIMIT ${lookAhead})) AS best
				FROM entry JOIN owing ON owing.bundle = entry.bundle WHERE lane = ?1 ORDER BY entry.bundle LIMIT 1`,
				[lane.id],
			);
			if (first) lanes.write({ ...lane, rank: Number(first.best), owedSince: Number(first.stored_at) }, lane);
			else lanes.remove(lane);
			return id;
		}
		return undefined;
	};
}
