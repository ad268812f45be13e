import { type Delivery, deliveriesIn, unpackDeliveries } from "../deliveries.ts";
import type { Lane } from "../lane.ts";
import type { Bundles } from "./bundles.ts";
import { bytesOf, type Row, type Statements } from "./statements.ts";

export const deliveriesOf = ({ deliveries }: Row): Delivery[] => unpackDeliveries(bytesOf(deliveries));

export function createEntries({ get, each }: Statements, bundles: Bundles) {
	return {
		/** Reads up to `most` bodies of a lane's leading deliveries; `untilAlone` stops after an `alone` one. */
		bodies({ id }: Lane, most: number, untilAlone: boolean): string[] {
			const bodies: string[] = [];
			// One by one, as the first entry is often enough.
			for (let bundle = -1; ; ) {
				const entry = get(
					"SELECT bundle, deliveries FROM entry WHERE lane = ? AND bundle > ? ORDER BY bundle LIMIT 1",
					[id, bundle],
				);
				if (!entry) return bodies;
				bundle = Number(entry.bundle);
				for (const { place, alone } of deliveriesIn(bytesOf(entry.deliveries))) {
					bodies.push(bundles.body(bundle, place));
					if (bodies.length === most || (alone && untilAlone)) return bodies;
				}
			}
		},

		deliveries({ id }: Lane, bundle: number): Delivery[] {
			const entry = get("SELECT deliveries FROM entry WHERE lane = ? AND bundle = ?", [id, bundle]);
			return entry ? deliveriesOf(entry) : [];
		},

		/** Tells whether an event worth a profile waits for a person at a destination. */
		earns({ destination, person }: Lane): boolean {
			const rows = each(
				"SELECT deliveries FROM entry JOIN lane ON lane.id = entry.lane WHERE person = ? AND destination = ?",
				[person, destination],
			);
			for (const row of rows) if (deliveriesOf(row).some(({ earns }) => earns)) return true;
			return false;
		},

		/** Reads the deliveries of a lane, bundle by bundle. */
		*owed({ id }: Lane): IterableIterator<{ bundle: number; deliveries: Delivery[] }> {
			for (const entry of each("SELECT bundle, deliveries FROM entry WHERE lane = ? ORDER BY bundle", [id]))
				yield { bundle: Number(entry.bundle), deliveries: deliveriesOf(entry) };
		},
	};
}
