import type { Destination } from "../destination.ts";
import { linkFreshMs } from "../limits.ts";
import type { Run } from "./connection.ts";
import type { Shared } from "./shared.ts";
import { restored, storable } from "./text.ts";

/** Stores a link, which replaces the link of the same alias. */
export const link = (
	run: Run,
	destination: number,
	{ alias, person }: { alias: string; person: string },
	now: number,
) =>
	run(
		`INSERT INTO eventferry.link (destination, alias, person, used_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (destination, alias) DO UPDATE SET person = excluded.person, used_at = excluded.used_at`,
		[destination, storable(alias), person, now],
	);

export function createLinks({ database: { run }, destinations }: Shared) {
	return async function linked({ destination, alias, now }: { destination: Destination; alias: string; now: number }) {
		const id = await destinations.id(destination);
		const key = [id, storable(alias)];
		const which = "WHERE destination = $1 AND alias = $2";
		const [found] = await run(`SELECT person, used_at FROM eventferry.link ${which}`, key);
		if (!found) return undefined;
		if (Number(found.used_at) < now - linkFreshMs) {
			await run(`UPDATE eventferry.link SET used_at = $3 ${which}`, [...key, now]);
		}
		return restored(String(found.person));
	};
}
