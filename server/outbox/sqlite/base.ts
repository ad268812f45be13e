import type { DatabaseSync } from "node:sqlite";
import { createBundles } from "./bundles.ts";
import { createClaims } from "./claims.ts";
import { createCounters } from "./counters.ts";
import { createDestinations } from "./destinations.ts";
import { createEntries } from "./entries.ts";
import { createHolds } from "./holds.ts";
import { createLinks } from "./links.ts";
import { createNumbers } from "./numbers.ts";
import { createRoom, type RoomOptions } from "./room.ts";
import { createStatements } from "./statements.ts";
import { createTransactions } from "./transaction.ts";
import { createUnused } from "./unused.ts";

export type Base = ReturnType<typeof createBase>;

/** Makes the parts of a store that use no other part. */
export function createBase(db: DatabaseSync, room: RoomOptions = {}) {
	const statements = createStatements(db);
	const transactions = createTransactions(db);
	const unused = createUnused(statements);
	const counting = { ...createDestinations(statements, transactions), ...createCounters(statements, transactions) };
	const bundles = createBundles(statements, transactions);
	const claims = createClaims(statements, transactions, counting);
	return {
		...statements,
		...counting,
		...unused,
		transactions,
		numbers: createNumbers(statements, transactions),
		bundles,
		claims,
		entries: createEntries(statements, bundles),
		holds: createHolds(statements),
		links: createLinks(statements),
		room: createRoom({ ...statements, ...counting, ...unused, claims }, room),
	};
}
