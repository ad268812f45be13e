import { createRoomLimits, type RoomUse, yieldSize, yieldSteps } from "../room.ts";
import { discardedFor, gaveWay } from "../tally.ts";
import type { createCounters } from "./counters.ts";
import type { createDestinations } from "./destinations.ts";
import type { Statements } from "./statements.ts";

/** Maximum number of bytes on disk for each byte appended, with lanes, claims and free space in pages. */
const overhead = 8;

export interface RoomOptions {
	maxBytes?: number | undefined;
	/** Called when dead letters of untrusted events are deleted. */
	onGivenWay?(): void;
}

type Parts = Statements & {
	count: ReturnType<typeof createCounters>["count"];
	idOf: ReturnType<typeof createDestinations>["idOf"];
};

/** Makes the size limit of the store. Free pages do not count, as they are filled first. */
export function createRoom({ run, get, all, count, idOf }: Parts, { maxBytes, onGivenWay }: RoomOptions) {
	const limits = createRoomLimits(maxBytes);
	/** Upper bound of the bytes in use. The size is read when it reaches a limit, so seldom while there is much room. */
	let usedAtMost = Number.POSITIVE_INFINITY;

	function readSize(): number {
		const used = get(
			`SELECT (page_count - freelist_count) * page_size AS bytes
			FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
		);
		usedAtMost = Number(used?.bytes);
		return usedAtMost;
	}

	/** Deletes the oldest dead letters of untrusted events; returns their number. */
	function yieldDeadLetters(): number {
		const rows = all(
			`DELETE FROM dead_letter WHERE id IN (SELECT id FROM dead_letter WHERE trusted = 0 ORDER BY id LIMIT ${yieldSize})
			RETURNING site, destination`,
		);
		for (const { site, destination } of rows) {
			const from = idOf(String(site), String(destination));
			count(from, "dead", -1);
			count(from, discardedFor(gaveWay), 1);
		}
		if (rows.length > 0) onGivenWay?.();
		return rows.length;
	}

	return {
		/**
		 * Lets dead letters of untrusted events give way until such events have room. Runs apart from the call that needs
		 * the room: they stay deleted if that call fails.
		 */
		makeRoom(): void {
			// Guard (SECURITY.md): store-gives-way
			if (usedAtMost < limits.calm) return;
			for (let step = 0; step < yieldSteps && readSize() >= limits.calm; step += 1) {
				if (yieldDeadLetters() === 0) return;
			}
		},
		/** Throws if the store has no room for more bytes. */
		ensureRoom(bytes: number, isTrusted: boolean): void {
			usedAtMost += bytes * overhead;
			if (usedAtMost >= limits.calm) limits.ensure(readSize(), isTrusted);
		},
		/** Throws if the store is full, or if a write fails on a full or broken disk. */
		check(): { isFull: boolean } {
			const { used, isFull } = limits.use(readSize());
			limits.ensure(used, true);
			run("UPDATE number SET next = next");
			return { isFull };
		},
		use: (): RoomUse | undefined => (limits.isLimited ? limits.use(readSize()) : undefined),
	};
}
