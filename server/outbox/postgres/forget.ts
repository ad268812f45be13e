import { personClaims } from "../claim-key.ts";
import { countEvents, type Head, withoutPeople } from "../journal-row.ts";
import { sweepSize } from "../limits.ts";
import { type ForgetRequest, type Forgotten, forgottenReason } from "../outbox.ts";
import { discardedFor, siteItself } from "../tally.ts";
import { releaseBundles, removeBundles } from "./bundles.ts";
import { loadClaims } from "./claims.ts";
import { columns, type Database, type Run } from "./connection.ts";
import { lockOrder } from "./lanes.ts";
import type { Exclusively } from "./schema.ts";
import type { Shared } from "./shared.ts";
import { restored, storable } from "./text.ts";

/** Removes people's events from the journal; returns their number, and the destination of each delivery. */
async function removeFromJournal(run: Run, site: string, people: ReadonlySet<string>) {
	const rows = await run(
		`SELECT id, head, keys FROM eventferry.journal
		WHERE EXISTS (SELECT FROM unnest($1::text[]) AS t (person) WHERE position(t.person IN head) > 0)`,
		[[...people].map((person) => `"person":${JSON.stringify(person)}`)],
	);
	const batches = rows
		.map(({ id, head, keys }) => ({
			batch: Number(id),
			...withoutPeople(JSON.parse(String(head)) as Head, keys as Buffer, people),
		}))
		.filter(({ head }) => head.site === site);
	const lasting = batches.flatMap((batch) =>
		batch.lasting.map(({ key, term, trusted }) => ({ ...term, trusted, key: key.toString("hex") })),
	);
	const claims = await loadClaims(run, lasting);
	for (const each of lasting) claims.take(each);
	await claims.save();
	for (const { batch, head, keys, places } of batches) {
		void removeBundles(
			run,
			places.map((place) => ({ batch, place })),
		);
		await run("UPDATE eventferry.journal SET events = $2, head = $3, keys = $4 WHERE id = $1", [
			batch,
			countEvents(head),
			JSON.stringify(head),
			keys,
		]);
	}
	return {
		events: batches.reduce((sum, { events }) => sum + events, 0),
		owed: batches.flatMap(({ owed }) => owed),
	};
}

/**
 * Deletes the lanes of people, even if they are leased; returns the id, destination and size of each. Their entries are
 * left to `removeForgotten`, because a person may have hundreds of thousands.
 */
async function removeLanes(run: Run, site: string, people: readonly string[]) {
	const lanes = await run(
		`SELECT lane.id, name, done FROM eventferry.lane JOIN eventferry.destination ON destination.id = lane.destination
		WHERE site = $1 AND person = ANY($2::text[]) ORDER BY ${lockOrder} FOR UPDATE OF lane`,
		[site, people],
	);
	const sizes = await run(
		`WITH gone AS (DELETE FROM eventferry.lane WHERE id = ANY($1::bigint[]) RETURNING id),
		noted AS (INSERT INTO eventferry.forgotten SELECT id FROM gone)
		SELECT lane, sum(count)::bigint AS owed FROM eventferry.entry WHERE lane = ANY($1::bigint[]) GROUP BY lane`,
		[lanes.map(({ id }) => id)],
	);
	const owed = new Map(sizes.map((row) => [row.lane, Number(row.owed)]));
	return lanes.map(({ id, name, done }) => ({
		id: Number(id),
		name: String(name),
		owed: (owed.get(id) ?? 0) - Number(done),
	}));
}

/** Deletes the entries of forgotten lanes in steps, without the lock for writing. */
export async function removeForgotten({ transaction }: Pick<Database, "transaction">): Promise<void> {
	for (let removed = sweepSize; removed === sweepSize; ) {
		removed = await transaction(async (run) => {
			const rows = await run(
				`DELETE FROM eventferry.entry USING (
					SELECT entry.lane, entry.id FROM eventferry.forgotten JOIN eventferry.entry USING (lane)
					LIMIT ${sweepSize} FOR UPDATE OF entry SKIP LOCKED
				) AS step WHERE entry.lane = step.lane AND entry.id = step.id RETURNING batch, place, is_shared`,
			);
			await releaseBundles(
				run,
				rows.map((row) => ({ batch: Number(row.batch), place: Number(row.place), isShared: row.is_shared === true })),
			);
			if (rows.length < sweepSize)
				await run(
					`DELETE FROM eventferry.forgotten
					WHERE NOT EXISTS (SELECT FROM eventferry.entry WHERE entry.lane = forgotten.lane)`,
				);
			return rows.length;
		});
	}
}

/** Makes the forgetting of people. `onRemoved` is called with the ids of the lanes that are gone. */
export function createForget(
	{ database, counters }: Shared,
	exclusively: Exclusively,
	onRemoved: (lanes: number[]) => void,
) {
	return async ({ site, people }: ForgetRequest): Promise<Forgotten[]> => {
		let lanes: Awaited<ReturnType<typeof removeLanes>> = [];
		const forgotten = await exclusively(async (run) => {
			const counts = counters(run);
			const result = new Map<string, Forgotten>();
			function at(destination: string): Forgotten {
				const found = result.get(destination) ?? { destination, owed: 0, dead: 0, known: [] };
				result.set(destination, found);
				return found;
			}
			const journal = await removeFromJournal(run, site, new Set(people));
			for (const name of journal.owed) at(name).owed += 1;
			counts.add(site, siteItself, "events", journal.events);

			const stored = people.map(storable);
			lanes = await removeLanes(run, site, stored);
			for (const { name, owed } of lanes) {
				at(name).owed += owed;
				counts.add(site, name, "owed", -owed);
				counts.add(site, name, "lanes", -1);
			}
			const removeFrom = (table: string, returning: string) =>
				run(
					`DELETE FROM eventferry.${table} USING eventferry.destination
					WHERE destination.id = ${table}.destination AND site = $1 AND person = ANY($2::text[]) RETURNING ${returning}`,
					[site, stored],
				);
			const dead = await run(
				`WITH gone AS (
					DELETE FROM eventferry.dead_letter USING eventferry.destination
					WHERE destination.id = dead_letter.destination AND site = $1 AND person = ANY($2::text[]) RETURNING name
				) SELECT name, count(*) AS count FROM gone GROUP BY name`,
				[site, stored],
			);
			for (const { name, count } of dead) {
				at(String(name)).dead += Number(count);
				counts.add(site, String(name), "dead", -Number(count));
			}
			for (const { name, value } of await removeFrom("known", "name, value")) {
				at(String(name)).known.push(restored(String(value)));
			}
			void removeFrom("link", "name");
			void run(
				`DELETE FROM eventferry.claim USING unnest($1::uuid[], $2::uuid[]) AS t (first, last)
				WHERE key BETWEEN t.first AND t.last`,
				columns(
					people.map((person) => personClaims(site, person)),
					([first]) => first.toString("hex"),
					([, last]) => last.toString("hex"),
				),
			);
			for (const { destination, owed } of result.values()) {
				counts.add(site, destination, discardedFor(forgottenReason), owed);
			}
			await counts.save();
			return [...result.values()];
		});
		onRemoved(lanes.map(({ id }) => id));
		await removeForgotten(database);
		return forgotten;
	};
}
