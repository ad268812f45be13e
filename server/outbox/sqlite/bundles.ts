import type { SQLInputValue } from "node:sqlite";
import { bytesOf, type Statements } from "./statements.ts";

/** Bodies of one person's events that came together. */
export interface Bundle {
	id: number;
	site: string;
	person: string;
	/** How many they are. */
	events: number;
	/** A line each. */
	bodies: Uint8Array;
}

const newline = "\n".charCodeAt(0);

/** The bodies of a bundle. */
export const linesOf = (bodies: SQLInputValue | undefined): string[] => bytesOf(bodies).toString().split("\n");

/** Reads bodies of a bundle in their order, decoding only those: a lease needs one of many. */
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

/** Events as they came: written once, and gone with the last lane that owes one of a bundle. */
export function createBundles({ run, get }: Statements) {
	function remove(id: number): void {
		run("DELETE FROM bundle WHERE id = ?", id);
	}

	return {
		add({ id, site, person, events, bodies }: Bundle): void {
			run("INSERT INTO bundle VALUES (?, ?, ?, ?, ?)", id, site, person, events, bodies);
		},
		remove,
		/** Gives so many bundles that follow each other other numbers, which follow each other too. */
		renumber(first: number, count: number, to: number): void {
			run("UPDATE bundle SET id = id + ?3 WHERE id >= ?1 AND id < ?2", first, first + count, to - first);
		},
		/** Says in how many lanes some of it is owed, and since when. */
		owe(id: number, lanes: number, now: number): void {
			run("INSERT INTO owing VALUES (?, ?, ?)", id, lanes, now);
		},
		/** A lane owes nothing of it any more. */
		release(id: number): void {
			const left = get("UPDATE owing SET lanes = lanes - 1 WHERE bundle = ? RETURNING lanes", id);
			if (left?.lanes !== 0) return;
			run("DELETE FROM owing WHERE bundle = ?", id);
			remove(id);
		},
		bodies(id: number): string[] {
			const found = get("SELECT bodies FROM bundle WHERE id = ?", id);
			return found ? linesOf(found.bodies) : [];
		},
	};
}
