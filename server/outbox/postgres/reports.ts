import type { NewEvent } from "../batch.ts";
import { sealBatch } from "../journal-row.ts";
import type { Report } from "../outbox.ts";
import { discardedFor, siteItself } from "../tally.ts";
import { keyed, loadClaims } from "./claims.ts";
import { columns, type Database } from "./connection.ts";
import type { createCounters } from "./counters.ts";
import type { Destinations } from "./destinations.ts";
import { insertBatches } from "./journal.ts";
import { link } from "./links.ts";
import { lockWriting } from "./schema.ts";
import { storable } from "./text.ts";

/** What providers report. */
export function createReports(
	{ transaction }: Pick<Database, "transaction">,
	{
		destinations,
		counters,
		onAppended,
	}: { destinations: Destinations; counters: ReturnType<typeof createCounters>; onAppended: () => void },
) {
	return {
		async receive({ site, claim, events, skipped, links, unlearn, now }: Report): Promise<boolean> {
			const numbered = async <Item extends { destination: string }>(items: readonly Item[]) => {
				const ids = await destinations.ids(items.map(({ destination: name }) => ({ site, name })));
				return items.map((item, index) => ({ ...item, id: ids[index] ?? 0 }));
			};
			const [linked, unlearnt] = [await numbered(links), await numbered(unlearn)];
			const its = keyed(site, "", claim);
			const reported = events.map(({ event, unless, marks }) => ({
				event,
				unless: unless.map((each) => keyed(site, event.person, each)),
				marks: marks.map((each) => keyed(site, event.person, each)),
			}));
			const isNew = await transaction(async (run) => {
				void run(lockWriting);
				const claims = await loadClaims(run, [its, ...reported.flatMap(({ unless, marks }) => [...unless, ...marks])]);
				if (!claims.take(its)) return false;
				const counts = counters(run);
				const taken: NewEvent[] = [];
				for (const { event, unless, marks } of reported) {
					const held = unless.find(claims.isHeld);
					if (held) {
						counts.add(site, siteItself, discardedFor(held.reason), 1);
						continue;
					}
					for (const each of marks) claims.mark(each);
					taken.push(event);
				}
				void claims.save();
				if (taken.length + (skipped?.length ?? 0) > 0) {
					void insertBatches(run, [sealBatch({ site, events: taken, ...(skipped && { skipped }) })]);
				}
				const people = columns(
					unlearnt,
					({ id }) => id,
					({ person }) => storable(person),
				);
				for (const table of ["known", "link"]) {
					void run(
						`DELETE FROM eventferry.${table} USING unnest($1::integer[], $2::text[]) AS t (destination, person)
						WHERE ${table}.destination = t.destination AND ${table}.person = t.person`,
						people,
					);
				}
				for (const { id, alias, person } of linked) void link(run, id, { alias, person: storable(person) }, now);
				await counts.save();
				return true;
			});
			if (isNew) onAppended();
			return isNew;
		},
	};
}
