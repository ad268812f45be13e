import type { FoundEvents, OwedDelivery, OwedQuery } from "./outbox.ts";
import type { Database, Row } from "./postgres-connection.ts";
import type { Destinations } from "./postgres-destinations.ts";
import { restored, storable } from "./postgres-text.ts";

/** Entries that one step of a search looks at: 8 MB of the largest there can be. */
const stepSize = 500;

const view = (row: Row): OwedDelivery => ({
	destination: { site: String(row.site), name: String(row.name) },
	person: restored(String(row.person)),
	body: restored(String(row.body)),
	ahead: Number(row.ahead),
	state: row.state as OwedDelivery["state"],
	...(row.state !== "ready" && { dueAt: Number(row.due_at) }),
	attempts: Number(row.attempts),
});

/** Looks up where deliveries are; changes nothing. */
export function createSearch({ run }: Pick<Database, "run">, destinations: Destinations) {
	return {
		async findOwed({ destinations: where, persons, events, limit }: OwedQuery): Promise<OwedDelivery[]> {
			const ids = await destinations.ids(where);
			const rows = await run(
				`SELECT site, name, lane.person, lane.state, lane.due_at, lane.attempts, owed.body, owed.ahead
				FROM unnest($1::integer[]) WITH ORDINALITY AS d (id, place)
				CROSS JOIN unnest($2::text[]) WITH ORDINALITY AS p (person, place)
				JOIN eventferry.destination ON destination.id = d.id
				JOIN eventferry.lane ON lane.destination = d.id AND lane.person = p.person
				CROSS JOIN LATERAL (
					SELECT event, body,
						(SELECT count(*) FROM eventferry.entry AS other WHERE other.lane = entry.lane AND other.event < entry.event) AS ahead
					FROM eventferry.entry WHERE entry.lane = lane.id AND ($3::bigint[] IS NULL OR event = ANY($3))
					ORDER BY event LIMIT $4
				) AS owed ORDER BY d.place, p.place, owed.event`,
				[ids, persons.map(storable), events?.map(Number).filter(Number.isSafeInteger), limit],
			);
			return rows.map(view);
		},

		async findEvents({ text, cursor }: { text: string; cursor?: string | undefined }): Promise<FoundEvents> {
			const looked = await run(
				`SELECT event, CASE WHEN position($1 IN body) > 0 THEN body END AS body FROM eventferry.entry
				WHERE $2::bigint IS NULL OR event < $2 ORDER BY event DESC LIMIT ${stepSize}`,
				[text, cursor],
			);
			const last = looked.at(-1);
			const more = looked.length === stepSize && last ? Number(last.event) : undefined;
			// An event may be owed to several destinations: it is found once.
			const events = new Map<string, string>();
			for (const { event, body } of looked) if (body !== null) events.set(String(event), restored(String(body)));
			return {
				events: [...events].map(([id, body]) => ({ id, body })),
				...(more !== undefined && { cursor: String(more) }),
			};
		},
	};
}
