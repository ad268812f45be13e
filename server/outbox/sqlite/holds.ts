import type { Destination, HoldChange } from "../destination.ts";
import type { Statements } from "./statements.ts";

export function createHolds({ run, get }: Statements) {
	function holdOf({ site, name }: Destination): string | undefined {
		const row = get("SELECT state FROM hold WHERE site = ? AND destination = ?", [site, name]);
		return row && String(row.state);
	}

	return {
		holdOf,
		hold({ destination, from, to }: HoldChange): { changed: boolean; hold: string | undefined } {
			const found = holdOf(destination);
			if (found !== from) return { changed: false, hold: found };
			const { site, name } = destination;
			if (to === undefined) run("DELETE FROM hold WHERE site = ? AND destination = ?", [site, name]);
			else run("INSERT OR REPLACE INTO hold VALUES (?, ?, ?)", [site, name, to]);
			return { changed: true, hold: to };
		},
	};
}
