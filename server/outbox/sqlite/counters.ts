import type { Row, Statements } from "./statements.ts";
import type { Transactions } from "./transaction.ts";

/** Makes the counters, which are summed up in memory and written once in each transaction. */
export function createCounters({ run, get, all }: Statements, { onRollback, beforeCommit }: Transactions) {
	/** Sums by name, by destination. */
	const sums = new Map<number, Map<string, number>>();

	function add(destination: number, name: string, by: number): void {
		let own = sums.get(destination);
		if (!own) {
			own = new Map();
			sums.set(destination, own);
		}
		own.set(name, (own.get(name) ?? 0) + by);
	}

	function write(): void {
		for (const [destination, own] of sums) {
			for (const [name, by] of own) {
				if (by === 0) continue;
				run("INSERT INTO counter VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value", [
					destination,
					name,
					by,
				]);
				onRollback(() => add(destination, name, by));
			}
		}
		sums.clear();
	}
	beforeCommit(write);

	return {
		count(destination: number, name: string, by: number): void {
			if (by === 0) return;
			add(destination, name, by);
			onRollback(() => add(destination, name, -by));
		},
		/** Reads a counter. */
		counted(destination: number, name: string): number {
			write();
			return Number(
				get("SELECT value FROM counter WHERE destination = ? AND name = ?", [destination, name])?.value ?? 0,
			);
		},
		/** Reads every counter, ordered by site and destination. */
		counters(): Row[] {
			write();
			return all(
				`SELECT site, destination.name AS destination, counter.name, value FROM counter
				JOIN destination ON destination.id = counter.destination ORDER BY site, destination.name`,
			);
		},
	};
}
