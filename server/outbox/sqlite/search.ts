import type { Lane } from "../lane.ts";
import { stepBytes, stepSize } from "../limits.ts";
import type { FoundEvents, OwedDelivery, OwedQuery } from "../outbox.ts";
import { linesOf } from "./bundles.ts";
import type { Shared } from "./shared.ts";

/** Makes the id of an event from its bundle and its place in the bundle. */
const eventId = (bundle: number, place: number) => `${bundle}.${place}`;

export function createSearch({ each, idOf, namesOf, bundles, entries, lanes, leases }: Shared) {
	function stateOf({ id, dueAt }: Lane): Pick<OwedDelivery, "state" | "dueAt"> {
		const leasedUntil = leases.leasedUntil(id);
		if (leasedUntil !== undefined) return { state: "leased", dueAt: leasedUntil };
		return dueAt > 0 ? { state: "waiting", dueAt } : { state: "ready" };
	}

	/** Returns the places of a bundle's events that are owed to any destination. */
	function owedOf(bundle: number, site: string, person: string): Set<number> {
		const places = new Set<number>();
		for (const name of namesOf(site)) {
			for (const lane of lanes.find(idOf(site, name), person)) {
				for (const { place } of entries.deliveries(lane, bundle)) places.add(place);
			}
		}
		return places;
	}

	return {
		findOwed({ destinations, people, events, limit }: OwedQuery): OwedDelivery[] {
			const wanted = events && new Set(events);
			return destinations.flatMap((destination) =>
				people.flatMap((person) => {
					const theirs = lanes.find(idOf(destination.site, destination.name), person);
					const isLeased = ({ id }: Lane) => leases.leasedUntil(id) !== undefined;
					const found: OwedDelivery[] = [];
					let ahead = 0;
					for (const lane of theirs.sort((a, b) => Number(isLeased(b)) - Number(isLeased(a)))) {
						for (const { bundle, deliveries } of entries.owed(lane)) {
							for (const { place } of deliveries) {
								if (found.length < limit && wanted?.has(eventId(bundle, place)) !== false) {
									const body = bundles.bodies(bundle)[place] ?? "";
									found.push({ destination, person, body, ahead, ...stateOf(lane), attempts: lane.attempts });
								}
								ahead += 1;
							}
							if (found.length === Math.min(limit, wanted?.size ?? limit)) return found;
						}
					}
					return found;
				}),
			);
		},

		findEvents({ text, cursor }: { text: string; cursor?: string }): FoundEvents {
			const found: FoundEvents["events"] = [];
			let looked = 0;
			let bytes = 0;
			const rows = each(
				`SELECT id, site, person, events, length(bodies) AS bytes, CASE WHEN instr(bodies, ?1) > 0 THEN bodies END AS bodies FROM bundle
				WHERE ?2 IS NULL OR id < ?2 ORDER BY id DESC`,
				[Buffer.from(text), cursor === undefined ? null : Number(cursor)],
			);
			for (const row of rows) {
				const bundle = Number(row.id);
				if (row.bodies !== null) {
					const owed = owedOf(bundle, String(row.site), String(row.person));
					const lines = linesOf(row.bodies).map((body, place) => ({ id: eventId(bundle, place), place, body }));
					for (const { id, place, body } of lines.reverse())
						if (owed.has(place) && body.includes(text)) found.push({ id, body });
				}
				looked += Number(row.events);
				bytes += Number(row.bytes);
				if (looked >= stepSize || bytes >= stepBytes) return { events: found, cursor: String(bundle) };
			}
			return { events: found };
		},
	};
}
