import { type Report, withoutEchoes } from "../report.ts";
import { discardedFor, siteItself } from "../tally.ts";
import { keyed, loadClaims } from "./claims.ts";
import { columns } from "./connection.ts";
import { insertBatches } from "./journal.ts";
import { link } from "./links.ts";
import type { Room } from "./room.ts";
import type { Exclusively } from "./schema.ts";
import type { Shared } from "./shared.ts";
import { storable } from "./text.ts";

export function createReports({ destinations, counters }: Shared, room: Room, exclusively: Exclusively) {
	return async function receive(report: Report): Promise<boolean> {
		const { site, claim, events, links, unlearn, now } = report;
		const numbered = async <Item extends { destination: string }>(items: readonly Item[]) => {
			const ids = await destinations.ids(items.map(({ destination: name }) => ({ site, name })));
			return items.map((item, index) => ({ ...item, id: ids[index] ?? 0 }));
		};
		const [linked, unlearnt] = [await numbered(links), await numbered(unlearn)];
		const ownClaim = keyed(site, "", claim);
		const eventClaims = events.flatMap(({ event: { person }, unless, marks }) =>
			[...unless, ...marks].map((each) => keyed(site, person, each)),
		);
		await room.ensureRoom(
			events.reduce((sum, { event }) => sum + event.body.length, 0),
			true,
		);
		return exclusively(async (run) => {
			const claims = await loadClaims(run, [ownClaim, ...eventClaims]);
			if (!claims.take(ownClaim)) return false;
			const { batch, echoes } = withoutEchoes(report, {
				isTaken: (person, each) => claims.isTaken(keyed(site, person, each)),
				set: (person, each) => claims.set(keyed(site, person, each)),
			});
			const counts = counters(run);
			for (const reason of echoes) counts.add(site, siteItself, discardedFor(reason), 1);
			void claims.save();
			if (batch) void insertBatches(run, [batch]);
			const people = columns(unlearnt, "id", ({ person }) => storable(person));
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
	};
}
