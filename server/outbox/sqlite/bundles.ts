import type { SQLInputValue } from "node:sqlite";
import { bytesOf, type Statements } from "./statements.ts";

/** A bundle to be stored. */
export interface Bundle {
	id: number;
	site: string;
	person: string;
	events: number;
	/** Bodies of the events, one line each. */
	bodies: Uint8Array;
}

const newline = "\n".charCodeAt(0);

export const linesOf = (bodies: SQLInputValue | undefined): string[] => bytesOf(bodies).toString().split("\n");

/** Makes a function that reads bodies of a bundle, in ascending order. It decodes no others, as a lease needs few. */
export function lineReader(bodies: SQLInputValue | undefined): (place: number) => string {
	const bytes = bytesOf(bodies);
	let line = 0;
	let start = 0;
	return (place) => {
		for (; line < place; line += 1) start = bytes.indexOf(newline, start) + 1 || bytes.length;
		const end = bytes.indexOf(newline, start);
		return bytes.toString("utf8", start, end < 0 ? undefined : end);
	};
}

/** Makes the table of bundles. A bundle is written once, and deleted with the last entry that refers to it. */
export function createBundles({ run, get }: Statements) {
	function remove(id: number): void {
		run("DELETE FROM bundle WHERE id = ?", [id]);
	}

	return {
		add({ id, site, person, events, bodies }: Bundle): void {
			run("INSERT INTO bundle VALUES (?, ?, ?, ?, ?)", [id, site, person, events, bodies]);
		},
		remove,
		/** Moves `count` consecutive bundles to new consecutive numbers. */
		renumber(first: number, count: number, to: number): void {
			run("UPDATE bundle SET id = id + ?3 WHERE id >= ?1 AND id < ?2", [first, first + count, to - first]);
		},
		/** Stores the number of lanes that owe events of a bundle, and the time of its fan-out. */
		owe(id: number, lanes: number, now: number): void {
			run("INSERT INTO owing VALUES (?, ?, ?)", [id, lanes, now]);
		},
		/** Records that one lane less owes events of a bundle; deletes the bundle if no lane is left. */
		release(id: number): void {
			const left = get("UPDATE owing SET lanes = lanes - 1 WHERE bundle = ? RETURNING lanes", [id]);
			if (left?.lanes !== 0) return;
			run("DELETE FROM owing WHERE bundle = ?", [id]);
			remove(id);
		},
		bodies(id: number): string[] {
			const found = get("SELECT bodies FROM bundle WHERE id = ?", [id]);
			return found ? linesOf(found.bodies) : [];
		},
	};
}
