import type { Database } from "./connection.ts";
import type { Counters } from "./counters.ts";
import type { Destinations } from "./destinations.ts";
import type { Owner } from "./owners.ts";

/** The parts of a store on which most others build. */
export interface Shared {
	database: Database;
	destinations: Destinations;
	counters: Counters;
	/** This process as an owner of leases; it gets another id after it was taken for dead. */
	owner: Owner;
	/** Returns the time by the clock of the database, ms since the epoch. */
	now(): number;
	/** SQL that notifies the other processes once its transaction is committed. */
	notice: string;
}
