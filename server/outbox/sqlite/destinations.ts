import { siteItself } from "../tally.ts";
import type { Statements } from "./statements.ts";
import type { Transactions } from "./transaction.ts";

/** Short numbers for destinations, as their names would be a large part of every index of lanes. */
export function createDestinations({ run, get, all }: Statements, { onRollback }: Transactions) {
	const ids = new Map<string, number>();
	return {
		/** A destination's number; it gets one where it has none. */
		idOf(site: string, name: string): number {
			const key = `${site}\n${name}`;
			const known = ids.get(key);
			if (known !== undefined) return known;
			const found = get("SELECT id FROM destination WHERE site = ? AND name = ?", site, name);
			const id = Number(
				found?.id ?? run("INSERT INTO destination (site, name) VALUES (?, ?)", site, name).lastInsertRowid,
			);
			ids.set(key, id);
			onRollback(() => ids.delete(key));
			return id;
		},
		/** Every destination of a site that ever was. */
		namesOf: (site: string): string[] =>
			all("SELECT name FROM destination WHERE site = ? AND name <> ?", site, siteItself).map(({ name }) =>
				String(name),
			),
	};
}
