import { linkFreshMs } from "../limits.ts";
import type { LinkedRequest, LinkRequest } from "../outbox.ts";
import { linkBytes } from "../report.ts";
import type { Run } from "./connection.ts";
import type { Room } from "./room.ts";
import type { Shared } from "./shared.ts";
import { restored, storable } from "./text.ts";

/** SQL that stores links, each in place of the link of the same alias. */
const put = (rows: string) => `INSERT INTO eventferry.link (destination, alias, person, used_at) ${rows}
	ON CONFLICT (destination, alias) DO UPDATE SET person = excluded.person, used_at = excluded.used_at`;

/** Stores a link. */
export const link = (
	run: Run,
	destination: number,
	{ alias, person }: { alias: string; person: string },
	now: number,
) => run(put("VALUES ($1, $2, $3, $4)"), [destination, storable(alias), person, now]);

export function createLinks({ database: { run, write }, destinations }: Shared, room: Room) {
	return {
		async linked({ destination, aliases, now }: LinkedRequest): Promise<Map<string, string>> {
			const id = await destinations.id(destination);
			const which = "WHERE destination = $1 AND alias = ANY($2::text[])";
			const rows = await run(`SELECT alias, person, used_at FROM eventferry.link ${which}`, [
				id,
				aliases.map(storable),
			]);
			const stale = rows.filter((row) => Number(row.used_at) < now - linkFreshMs);
			if (stale.length > 0) {
				await run(`UPDATE eventferry.link SET used_at = $3 ${which}`, [id, stale.map(({ alias }) => alias), now]);
			}
			return new Map(rows.map((row) => [restored(String(row.alias)), restored(String(row.person))]));
		},

		async link({ site, links, now }: LinkRequest): Promise<void> {
			await room.ensureRoom(linkBytes(links), true);
			const ids = await destinations.ids(links.map(({ destination: name }) => ({ site, name })));
			await write(
				// Every process locks the rows in the same order, so that none waits for another in a circle.
				put(
					"SELECT *, $4::bigint FROM unnest($1::integer[], $2::text[], $3::text[]) AS t (id, alias, person) ORDER BY 1, 2",
				),
				[ids, links.map(({ alias }) => storable(alias)), links.map(({ person }) => storable(person)), now],
			);
		},
	};
}
