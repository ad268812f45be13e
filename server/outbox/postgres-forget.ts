import { personClaims } from "./claim-key.ts";
import type { ForgetRequest, Forgotten } from "./outbox.ts";
import { loadClaims } from "./postgres-claims.ts";
import { columns, type Database, type Run } from "./postgres-connection.ts";
import type { createCounters } from "./postgres-counters.ts";
import type { Heads } from "./postgres-journal.ts";
import { lockWriting } from "./postgres-schema.ts";
import { restored, storable } from "./postgres-text.ts";

/** What a forgotten delivery is counted as. */
const reason = "forgotten";

/** A batch without some people's events: what is left of its heads and its bodies. */
function without(people: ReadonlySet<string>, heads: Heads, bodies: Buffer) {
	const kept: Buffer[] = [];
	let from = 0;
	for (const { person, bytes } of heads.events) {
		if (!people.has(person)) kept.push(bodies.subarray(from, from + bytes));
		from += bytes;
	}
	const events = heads.events.filter(({ person }) => !people.has(person));
	return { heads: { ...heads, events }, bodies: Buffer.concat(kept) };
}

/** Takes people's events out of the batches that are not fanned out yet; gives each destination that one was owed to. */
async function leaveJournal(run: Run, site: string, people: ReadonlySet<string>) {
	const rows = await run(
		`SELECT id, heads, bodies FROM eventferry.journal
		WHERE EXISTS (SELECT FROM unnest($1::text[]) AS t (person) WHERE position(t.person IN heads) > 0)`,
		[[...people].map((person) => `"person":${JSON.stringify(person)}`)],
	);
	const batches = rows
		.map(({ id, heads, bodies }) => ({ id, heads: JSON.parse(String(heads)) as Heads, bodies: bodies as Buffer }))
		.filter(({ heads }) => heads.site === site);
	const gone = batches.flatMap(({ heads }) => heads.events.filter(({ person }) => people.has(person)));
	const claims = await loadClaims(
		run,
		gone.flatMap((event) => event.claims),
	);
	for (const { claims: own } of gone) {
		// A copy of it may still be on its way.
		for (const each of own) if (!each.ofPerson) claims.take(each);
	}
	await claims.save();
	for (const { id, ...batch } of batches) {
		const { heads, bodies } = without(people, batch.heads, batch.bodies);
		await run("UPDATE eventferry.journal SET events = $2, heads = $3, bodies = $4 WHERE id = $1", [
			id,
			heads.events.length,
			JSON.stringify(heads),
			bodies,
		]);
	}
	return { events: gone.length, owed: gone.flatMap(({ destinations }) => destinations) };
}

/** Deletes what is kept of people, a locked lane's entries first. */
export function createForget(
	{ transaction }: Pick<Database, "transaction">,
	counters: ReturnType<typeof createCounters>,
) {
	return {
		forget: ({ site, people }: ForgetRequest): Promise<Forgotten[]> =>
			transaction(async (run) => {
				void run(lockWriting);
				const counts = counters(run);
				const result = new Map<string, Forgotten>();
				function of(destination: string): Forgotten {
					const found = result.get(destination) ?? { destination, owed: 0, dead: 0, known: [] };
					result.set(destination, found);
					return found;
				}
				const journal = await leaveJournal(run, site, new Set(people));
				for (const name of journal.owed) of(name).owed += 1;
				counts.add(site, "", "events", journal.events);

				const theirs = [site, people.map(storable)];
				const lanes = await run(
					`SELECT lane.id, name FROM eventferry.lane JOIN eventferry.destination ON destination.id = lane.destination
					WHERE site = $1 AND person = ANY($2::text[]) ORDER BY lane.id FOR UPDATE OF lane`,
					theirs,
				);
				const ids = lanes.map(({ id }) => id);
				const entries = await run(
					`WITH gone AS (DELETE FROM eventferry.entry WHERE lane = ANY($1::bigint[]) RETURNING lane)
					SELECT lane, count(*) AS count FROM gone GROUP BY lane`,
					[ids],
				);
				const names = new Map(lanes.map(({ id, name }) => [id, String(name)]));
				for (const { lane, count } of entries) {
					const name = names.get(lane) ?? "";
					of(name).owed += Number(count);
					counts.add(site, name, "owed", -Number(count));
				}
				for (const name of names.values()) counts.add(site, name, "lanes", -1);
				void run("DELETE FROM eventferry.lane WHERE id = ANY($1::bigint[])", [ids]);

				const dead = await run(
					`DELETE FROM eventferry.dead_letter USING eventferry.destination
					WHERE destination.id = dead_letter.destination AND site = $1 AND person = ANY($2::text[]) RETURNING name`,
					theirs,
				);
				for (const { name } of dead) {
					of(String(name)).dead += 1;
					counts.add(site, String(name), "dead", -1);
				}
				const known = await run(
					`DELETE FROM eventferry.known USING eventferry.destination
					WHERE destination.id = known.destination AND site = $1 AND person = ANY($2::text[]) RETURNING name, value`,
					theirs,
				);
				for (const { name, value } of known) of(String(name)).known.push(restored(String(value)));
				void run(
					`DELETE FROM eventferry.link USING eventferry.destination
					WHERE destination.id = link.destination AND site = $1 AND person = ANY($2::text[])`,
					theirs,
				);
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
					counts.add(site, destination, `discarded:${reason}`, owed);
				}
				await counts.save();
				return [...result.values()];
			}),
	};
}
