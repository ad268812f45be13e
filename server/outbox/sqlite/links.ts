import type { Destination } from "../destination.ts";
import { linkFreshMs, sweepSize } from "../limits.ts";
import type { Link } from "../report.ts";
import type { Statements } from "./statements.ts";

export type Links = ReturnType<typeof createLinks>;

/** Makes the table of links. */
export function createLinks({ run, get }: Statements) {
	function link(site: string, { destination, alias, person }: Link, now: number): void {
		run("INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?, ?)", site, destination, alias, person, now);
	}

	return {
		link,

		linked({ destination: { site, name }, alias, now }: { destination: Destination; alias: string; now: number }) {
			const found = get("SELECT * FROM link WHERE site = ? AND destination = ? AND alias = ?", site, name, alias);
			if (!found) return undefined;
			const person = String(found.person);
			if (Number(found.used_at) < now - linkFreshMs) link(site, { destination: name, alias, person }, now);
			return person;
		},

		/** Deletes some links last used before a time; returns true if there may be more. */
		sweepLinks(before: number): boolean {
			const { changes } = run(
				`DELETE FROM link WHERE (site, destination, alias) IN
				(SELECT site, destination, alias FROM link WHERE used_at < ? LIMIT ${sweepSize})`,
				before,
			);
			return Number(changes) === sweepSize;
		},
	};
}
