import type { SQLInputValue } from "node:sqlite";
import { bytesOf, type Statements } from "./statements.ts";
import type { Transactions } from "./transaction.ts";

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

/** Makes a function that reads lines of a text by their places. It decodes no others, as a lease needs few. */
function lineReader(bytes: Buffer): (place: number) => string {
	const starts = [0];
	const startOf = (place: number): number => {
		for (let line = starts.length; line <= place; line += 1)
			starts.push(bytes.indexOf(newline, starts[line - 1]) + 1 || bytes.length + 1);
		return starts[place] ?? 0;
	};
	return (place) => bytes.toString("utf8", startOf(place), startOf(place + 1) - 1);
}

/** A bundle that is kept in memory. */
interface Kept {
	bytes: number;
	line(place: number): string;
}

export type Bundles = ReturnType<typeof createBundles>;

/** Total size of bundles that are kept in memory, in bytes. */
const keptMost = 4_000_000;

/**
 * Makes the table of bundles. A bundle is written once, and deleted with the last entry that refers to it. The ones read
 * last are kept, as each of several destinations reads them, at nearly the same time.
 */
export function createBundles({ run, get }: Statements, { onRollback }: Transactions) {
	const kept = new Map<number, Kept>();
	let keptBytes = 0;

	function drop(id: number): void {
		keptBytes -= kept.get(id)?.bytes ?? 0;
		kept.delete(id);
	}

	function read(id: number): Kept {
		const bodies = bytesOf(get("SELECT bodies FROM bundle WHERE id = ?", [id])?.bodies);
		const bundle = { bytes: bodies.length, line: lineReader(bodies) };
		kept.set(id, bundle);
		// Its number may be given to another bundle then.
		onRollback(() => drop(id));
		keptBytes += bundle.bytes;
		for (const oldest of kept.keys()) {
			if (keptBytes <= keptMost) break;
			drop(oldest);
		}
		return bundle;
	}

	function remove(id: number): void {
		drop(id);
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
		/** Reads one body of a bundle. */
		body: (id: number, place: number): string => (kept.get(id) ?? read(id)).line(place),
	};
}
