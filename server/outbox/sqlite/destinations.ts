import type { Destination } from "../destination.ts";
import { siteItself } from "../tally.ts";
import type { Statements } from "./statements.ts";
import type { Transactions } from "./transaction.ts";

/** Makes the numbers of destinations. In place of names they keep the indexes of lanes small. */
export function createDestinations({ run, get, all }: Statements, { onRollback }: Transactions) {
	const ids = new Map<string, number>();
	return {
		/** Returns the number of a destination, which gets one if it is new. */
		idOf(site: string, name: string): number {
			const key = `${site}\n${name}`;
			const known = ids.get(key);
			if (known !== undefined) return known;
			const found = get("SELECT id FROM destination WHERE site = ? AND name = ?", [site, name]);
			const id = Number(
				found?.id ?? run("INSERT INTO destination (site, name) VALUES (?, ?)", [site, name]).lastInsertRowid,
			);
			ids.set(key, id);
			onRollback(() => ids.delete(key));
			return id;
		},
		/** Returns the destination with a number. */
		destinationOf(id: number): Destination {
			const row = get("SELECT site, name FROM destination WHERE id = ?", [id]);
			return { site: String(row?.site), name: String(row?.name) };
		},
		/** Lists the names of all destinations that a site has ever had. */
		namesOf: (site: string): string[] =>
			all("SELECT name FROM destination WHERE site = ? AND name <> ?", [site, siteItself]).map(({ name }) =>
				String(name),
			),
	};
}
