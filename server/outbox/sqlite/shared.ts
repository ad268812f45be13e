import type { DatabaseSync } from "node:sqlite";
import { createBundles } from "./bundles.ts";
import { createClaims } from "./claims.ts";
import { createCounters } from "./counters.ts";
import { createDestinations } from "./destinations.ts";
import { createNumbers } from "./numbers.ts";
import { createStatements } from "./statements.ts";
import { createTransactions } from "./transaction.ts";

export type Shared = ReturnType<typeof createShared>;

/** Makes the parts of a store on which most others build. */
export function createShared(db: DatabaseSync) {
	const statements = createStatements(db);
	const transactions = createTransactions(db);
	return {
		statements,
		transactions,
		numbers: createNumbers(statements, transactions),
		destinations: createDestinations(statements, transactions),
		counters: createCounters(statements, transactions),
		bundles: createBundles(statements),
		claims: createClaims(statements, transactions),
	};
}
