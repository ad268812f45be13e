import { linkFreshMs } from "../limits.ts";
import type { LinkedRequest } from "../outbox.ts";
import type { Link } from "../report.ts";
import type { Statements } from "./statements.ts";

export function createLinks({ run, get }: Statements) {
	function link(site: string, { destination, alias, person }: Link, now: number): void {
		run("INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?, ?)", [site, destination, alias, person, now]);
	}

	return {
		link,

		linked({ destination: { site, name }, aliases, now }: LinkedRequest): Map<string, string> {
			const people = new Map<string, string>();
			for (const alias of aliases) {
				const found = get("SELECT * FROM link WHERE site = ? AND destination = ? AND alias = ?", [site, name, alias]);
				if (!found) continue;
				const person = String(found.person);
				if (Number(found.used_at) < now - linkFreshMs) link(site, { destination: name, alias, person }, now);
				people.set(alias, person);
			}
			return people;
		},
	};
}
