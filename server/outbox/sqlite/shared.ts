import type { DatabaseSync } from "node:sqlite";
import { createBase } from "./base.ts";
import { createJournal } from "./journal.ts";
import { createLanes } from "./lanes.ts";
import { createLeases } from "./leases.ts";
import type { RoomOptions } from "./room.ts";

export type Shared = ReturnType<typeof createShared>;

/** Makes the parts of a store on which others build. */
export function createShared(db: DatabaseSync, room?: RoomOptions) {
	const base = createBase(db, room);
	return { ...base, lanes: createLanes(base), leases: createLeases(base), journal: createJournal(base) };
}
