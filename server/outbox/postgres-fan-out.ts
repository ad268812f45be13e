import type { Discarded } from "./outbox.ts";
import { type Claims, loadClaims } from "./postgres-claims.ts";
import { columns, type Database, type Run } from "./postgres-connection.ts";
import type { createCounters } from "./postgres-counters.ts";
import type { Destinations } from "./postgres-destinations.ts";
import type { Head, Heads } from "./postgres-journal.ts";
import { type Debt, lanesOf } from "./postgres-owe.ts";
import { lockWriting } from "./postgres-schema.ts";
import { restored, storable } from "./postgres-text.ts";

/** Discarded events that are told of, of one transaction. */
const discardedTold = 100;

/** Where an event's body is. */
interface Place {
	row: number;
	/** The first byte, from 1, as PostgreSQL counts. */
	from: number;
	bytes: number;
}
interface JournalEvent extends Place {
	site: string;
	head: Head;
}

function eventsOf(row: number, { events, site }: Heads): JournalEvent[] {
	let from = 1;
	return events.map((head) => {
		const place = { row, from, bytes: head.bytes };
		from += head.bytes;
		return { ...place, site, head };
	});
}

export interface FanOut {
	/** Batches that were taken: 0 where there is nothing to do. */
	batches: number;
	discarded: Discarded[];
}

/** How the journal becomes entries of lanes: each event once, and only if none of its claims is held. */
export function createFanOut(
	{ transaction }: Pick<Database, "transaction">,
	{
		destinations,
		counters,
		notice,
	}: { destinations: Destinations; counters: ReturnType<typeof createCounters>; notice: string },
) {
	async function bodiesOf(run: Run, places: readonly Place[]): Promise<string[]> {
		if (places.length === 0) return [];
		const rows = await run(
			`SELECT convert_from(substring(bodies FROM t.start FOR t.bytes), 'UTF8') AS body
			FROM unnest($1::bigint[], $2::integer[], $3::integer[]) WITH ORDINALITY AS t (row, start, bytes, place)
			JOIN eventferry.journal ON journal.id = t.row ORDER BY place`,
			columns(
				places,
				({ row }) => row,
				({ from }) => from,
				({ bytes }) => bytes,
			),
		);
		return rows.map(({ body }) => restored(String(body)));
	}

	/** What is let through, and what is not with the reason. */
	function decide(events: readonly JournalEvent[], claims: Claims) {
		const accepted: JournalEvent[] = [];
		const refused: (JournalEvent & { reason: string })[] = [];
		for (const event of events) {
			const reason = claims.takeAll(event.head.claims);
			if (reason === undefined) accepted.push(event);
			else refused.push({ ...event, reason });
		}
		return { accepted, refused };
	}

	async function owe(run: Run, accepted: readonly JournalEvent[], now: number, counts: ReturnType<typeof counters>) {
		const owed = accepted.flatMap((event) => event.head.destinations.map((name) => ({ event, name })));
		if (owed.length === 0) return;
		const ids = await destinations.ids(owed.map(({ event: { site }, name }) => ({ site, name })));
		const debts = owed.map(
			({ event: { head } }, index): Debt => ({
				destination: ids[index] ?? 0,
				person: storable(head.person),
				rank: head.rank,
				reserved: head.reserved,
			}),
		);
		const needed = accepted.length + debts.length;
		const [last] = await run("SELECT setval('eventferry.id', nextval('eventferry.id') + $1::bigint) AS id", [needed]);
		const firstEvent = Number(last?.id) - needed + 1;
		const eventIds = new Map(accepted.map((event, index) => [event, firstEvent + index]));
		const lanes = await lanesOf(run, debts, firstEvent + accepted.length, now);
		const entries = run(
			`INSERT INTO eventferry.entry (lane, event, stored_at, rank, reserved, body)
			SELECT t.lane, t.event, $8::bigint, t.rank, t.reserved, convert_from(substring(bodies FROM t.start FOR t.bytes), 'UTF8')
			FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::boolean[], $5::bigint[], $6::integer[], $7::integer[])
				AS t (lane, event, rank, reserved, row, start, bytes)
			JOIN eventferry.journal ON journal.id = t.row`,
			[
				...columns(
					owed.map(({ event }, index) => ({ event, lane: lanes.ids[index] })),
					({ lane }) => lane,
					({ event }) => eventIds.get(event),
					({ event: { head } }) => head.rank,
					({ event: { head } }) => head.reserved,
					({ event: { row } }) => row,
					({ event: { from } }) => from,
					({ event: { bytes } }) => bytes,
				),
				now,
			],
		);
		await Promise.all([entries, lanes.save(counts, destinations)]);
		for (const { event, name } of owed) counts.add(event.site, name, "owed", 1);
	}

	return {
		/** Turns the oldest batches into entries, until so many events or a few more. */
		fanOut(now: number, most: number): Promise<FanOut> {
			return transaction(async (run) => {
				void run(lockWriting);
				const rows = await run(
					`SELECT id, heads FROM (
						SELECT id, heads, sum(events) OVER (ORDER BY id) - events AS before
						FROM (SELECT * FROM eventferry.journal WHERE stuck IS NULL ORDER BY id LIMIT $1) AS oldest
					) AS counted WHERE before < $1 ORDER BY id`,
					[most],
				);
				if (rows.length === 0) return { batches: 0, discarded: [] };
				const batches = rows.map(({ id, heads }) => ({ id: Number(id), heads: JSON.parse(String(heads)) as Heads }));
				const events = batches.flatMap(({ id, heads }) => eventsOf(id, heads));
				const counts = counters(run);
				const claims = await loadClaims(
					run,
					events.flatMap(({ head }) => head.claims),
				);
				const { accepted, refused } = decide(events, claims);
				const told = refused.slice(-discardedTold);
				const bodies = bodiesOf(run, told);
				await Promise.all([claims.save(), owe(run, accepted, now, counts)]);
				void run("DELETE FROM eventferry.journal WHERE id = ANY($1::bigint[])", [batches.map(({ id }) => id)]);
				for (const { heads } of batches) {
					counts.add(heads.site, "", "events", heads.events.length);
					for (const { destination, reason, count } of heads.skipped ?? []) {
						counts.add(heads.site, destination, `discarded:${reason}`, count);
					}
				}
				for (const { site, reason } of refused) counts.add(site, "", `discarded:${reason}`, 1);
				await counts.save();
				await run(`SELECT ${notice}`);
				const found = await bodies;
				const discarded = told.map(({ site, head, reason }, index) => ({
					site,
					person: head.person,
					body: found[index] ?? "",
					reason,
				}));
				return { batches: rows.length, discarded };
			});
		},

		/** Keeps the oldest batch out of the way of the others, with why. */
		setAside(reason: string): Promise<void> {
			return transaction(async (run) => {
				void run(lockWriting);
				await run(
					`UPDATE eventferry.journal SET stuck = $1
					WHERE id = (SELECT min(id) FROM eventferry.journal WHERE stuck IS NULL)`,
					[storable(reason)],
				);
			});
		},
	};
}
