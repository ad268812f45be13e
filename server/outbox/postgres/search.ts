import { stepBytes, stepSize } from "../limits.ts";
import type { FoundEvents, OwedDelivery, OwedQuery } from "../outbox.ts";
import { bodiesOf, bundleId, linesOf } from "./bundles.ts";
import type { Row, Run } from "./connection.ts";
import { entryOf } from "./entries.ts";
import { lockOrder } from "./lanes.ts";
import type { Shared } from "./shared.ts";
import { restored, storable } from "./text.ts";

/** Makes the id of an event from the id of its entries and its place in the bundle. */
const eventId = (entry: number, place: number) => `${entry}.${place}`;

/** SQL that reads the first `$2` entries of lanes, with the number of deliveries before each. */
const firstEntries = `SELECT entry.*, sum(count) OVER (PARTITION BY lane ORDER BY id) - count AS before
	FROM unnest($1::bigint[]) AS t (id_of_lane) CROSS JOIN LATERAL (
		SELECT * FROM eventferry.entry WHERE lane = id_of_lane ORDER BY id LIMIT $2
	) AS entry ORDER BY lane, id`;
/** SQL that reads the entries of lanes with ids in `$2`, with the number of deliveries before each. */
const wantedEntries = `SELECT wanted.*, sum(between_them) OVER (PARTITION BY lane ORDER BY id) AS before FROM (
		SELECT *, lag(id, 1, 0::bigint) OVER (PARTITION BY lane ORDER BY id) AS previous
		FROM eventferry.entry WHERE lane = ANY($1::bigint[]) AND id = ANY($2::bigint[])
	) AS wanted CROSS JOIN LATERAL (
		SELECT coalesce(sum(count), 0) AS between_them FROM eventferry.entry AS other
		WHERE other.lane = wanted.lane AND other.id >= wanted.previous AND other.id < wanted.id
	) AS sums ORDER BY lane, id`;
const laneTotals =
	"SELECT lane, sum(count) AS count FROM eventferry.entry WHERE lane = ANY($1::bigint[]) GROUP BY lane";

export function createSearch({ database, destinations }: Shared) {
	/** Finds deliveries in the lanes of one person at one destination, which may owe hundreds of thousands. */
	async function owedBy(run: Run, lanes: readonly Row[], { events, limit }: OwedQuery) {
		const ids = [lanes.map(({ id }) => id)];
		const wanted = events && new Set(events);
		const [rows, totals] = await Promise.all([
			wanted
				? run(wantedEntries, [...ids, [...wanted].map((event) => event.split(".")[0])])
				: run(firstEntries, [...ids, limit]),
			lanes.length > 1 ? run(laneTotals, ids) : [],
		]);
		const total = new Map(totals.map((row) => [row.lane, Number(row.count)]));
		const entries = Map.groupBy(rows, (row) => row.lane);
		let start = 0;
		return lanes
			.flatMap((lane) => {
				const first = start - Number(lane.done);
				start = first + (total.get(lane.id) ?? 0);
				return (entries.get(lane.id) ?? []).flatMap((row) => {
					const entry = entryOf(row);
					return entry.deliveries
						.map(({ place }, index) => ({ lane, entry, place, index: Number(row.before) + index }))
						.filter(({ index }) => index >= Number(lane.done))
						.map(({ index, ...owed }) => ({ ...owed, ahead: first + index }));
				});
			})
			.filter(({ entry, place }) => wanted?.has(eventId(entry.id, place)) !== false)
			.slice(0, limit);
	}

	return {
		async findOwed(query: OwedQuery): Promise<OwedDelivery[]> {
			const ids = await destinations.ids(query.destinations);
			return database.snapshot(async (run) => {
				const lanes = await run(
					`SELECT lane.* FROM unnest($1::integer[]) WITH ORDINALITY AS d (id, place)
					CROSS JOIN unnest($2::text[]) WITH ORDINALITY AS p (person, place)
					JOIN eventferry.lane ON destination = d.id AND lane.person = p.person
					ORDER BY d.place, p.place, state = 'leased' DESC, ${lockOrder}`,
					[ids, query.people.map(storable)],
				);
				const found: OwedDelivery[] = [];
				const places = Map.groupBy(lanes, ({ destination, person }) => `${destination}\n${person}`);
				for (const theirs of places.values()) {
					const owed = await owedBy(run, theirs, query);
					const bodies = await bodiesOf(
						run,
						owed.map(({ entry }) => entry),
					);
					for (const { lane, entry, place, ahead } of owed) {
						found.push({
							destination: await destinations.byId(Number(lane.destination)),
							person: restored(String(lane.person)),
							body: bodies.get(bundleId(entry))?.[place] ?? "",
							ahead,
							state: lane.state as OwedDelivery["state"],
							...(lane.state !== "ready" && {
								dueAt: Number((lane.state === "leased" && lane.leased_until) || lane.due_at),
							}),
							attempts: Number(lane.attempts),
						});
					}
				}
				return found;
			});
		},

		async findEvents({ text, cursor }: { text: string; cursor?: string | undefined }): Promise<FoundEvents> {
			const rows = await database.run(
				`SELECT entry.*, CASE WHEN position($1::bytea IN bodies) > 0 THEN bodies END AS bodies,
				(SELECT done FROM eventferry.lane WHERE lane.id = entry.lane
					AND entry.id = (SELECT min(id) FROM eventferry.entry AS other WHERE other.lane = entry.lane)) AS done
				FROM (
					SELECT *, sum(count) OVER latest - count AS before, sum(bytes) OVER latest - bytes AS bytes_before
					FROM (
						SELECT entry.*, octet_length(bodies) AS bytes FROM eventferry.entry JOIN eventferry.bundle USING (batch, place)
						WHERE $2::bigint IS NULL OR id < $2 ORDER BY id DESC LIMIT ${stepSize}
					) AS latest WINDOW latest AS (ORDER BY id DESC ROWS UNBOUNDED PRECEDING)
				) AS entry JOIN eventferry.bundle USING (batch, place)
				WHERE before < ${stepSize} AND bytes_before < ${stepBytes} ORDER BY id DESC`,
				[Buffer.from(text), cursor],
			);
			const last = rows.at(-1);
			const [more] = last ? await database.run("SELECT FROM eventferry.entry WHERE id < $1 LIMIT 1", [last.id]) : [];
			// Entries of one bundle have the same id in all lanes, so that an event is found once.
			const found = new Map<string, string>();
			for (const row of rows) {
				const { id, deliveries } = entryOf(row);
				const lines = linesOf(row.bodies);
				for (const { place } of deliveries.slice(Number(row.done)).reverse()) {
					if (lines[place]?.includes(text)) found.set(eventId(id, place), lines[place]);
				}
			}
			const events = [...found].map(([id, body]) => ({ id, body }));
			return { events, ...(last && more && { cursor: String(last.id) }) };
		},
	};
}
