import type { Destination } from "../destination.ts";
import { linkFreshMs } from "../limits.ts";
import type { Link } from "../report.ts";
import type { Statements } from "./statements.ts";

export function createLinks({ run, get }: Statements) {
	function link(site: string, { destination, alias, person }: Link, now: number): void {
		run("INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?, ?)", [site, destination, alias, person, now]);
	}

	return {
		link,

		linked({ destination: { site, name }, alias, now }: { destination: Destination; alias: string; now: number }) {
			const found = get("SELECT * FROM link WHERE site = ? AND destination = ? AND alias = ?", [site, name, alias]);
			if (!found) return undefined;
			const person = String(found.person);
			if (Number(found.used_at) < now - linkFreshMs) link(site, { destination: name, alias, person }, now);
			return person;
		},
	};
}
