import type { FoundEvents, OwedDelivery, OwedQuery } from "./outbox.ts";
import type { Row, Statements } from "./sqlite-statements.ts";

/** Events that one step of a search looks at: 8 MB of the largest there can be. */
const stepSize = 500;

function view(lane: Row, { body, ahead }: Row): OwedDelivery {
	return {
		destination: { site: String(lane.site), name: String(lane.destination) },
		person: String(lane.person),
		body: String(body),
		ahead: Number(ahead),
		state: lane.state as OwedDelivery["state"],
		...(lane.state !== "ready" && { dueAt: Number(lane.due_at) }),
		attempts: Number(lane.attempts),
	};
}

/** Looks up where deliveries are; changes nothing. */
export function createSearch({ get, all }: Statements) {
	return {
		findOwed: ({ destinations, persons, events, limit }: OwedQuery): OwedDelivery[] =>
			destinations.flatMap(({ site, name }) =>
				persons.flatMap((person) => {
					const lane = get("SELECT * FROM lane WHERE site = ? AND destination = ? AND person = ?", site, name, person);
					if (!lane) return [];
					const entries = all(
						`SELECT body, (SELECT count(*) FROM entry AS other WHERE other.lane = ?1 AND other.event < entry.event) AS ahead
						FROM entry JOIN event ON event.id = entry.event
						WHERE lane = ?1 AND (?2 IS NULL OR event IN (SELECT value FROM json_each(?2))) ORDER BY event LIMIT ?3`,
						lane.id ?? null,
						events ? JSON.stringify(events.map(Number)) : null,
						limit,
					);
					return entries.map((entry) => view(lane, entry));
				}),
			),

		findEvents({ text, cursor }: { text: string; cursor?: string }): FoundEvents {
			const looked = all(
				`SELECT id, CASE WHEN instr(body, ?1) > 0 THEN body END AS body FROM event
				WHERE ?2 IS NULL OR id < ?2 ORDER BY id DESC LIMIT ${stepSize}`,
				text,
				cursor === undefined ? null : Number(cursor),
			);
			const events = looked.flatMap(({ id, body }) => (body === null ? [] : [{ id: String(id), body: String(body) }]));
			const last = looked.at(-1);
			return { events, ...(looked.length === stepSize && last && { cursor: String(last.id) }) };
		},
	};
}
