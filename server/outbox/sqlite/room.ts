import { deadLettersGaveWay, rememberedGaveWay } from "../errors.ts";
import { neededMs } from "../limits.ts";
import { createRoomLimits, type RoomUse, yieldSize, yieldSteps } from "../room.ts";
import { discardedFor, forgotten, gaveWay, siteItself } from "../tally.ts";
import type { createClaims } from "./claims.ts";
import type { createCounters } from "./counters.ts";
import type { createDestinations } from "./destinations.ts";
import type { Statements } from "./statements.ts";
import type { createUnused } from "./unused.ts";

/** Maximum number of bytes on disk for each byte appended, with lanes, claims and free space in pages. */
const overhead = 8;

export interface RoomOptions {
	maxBytes?: number | undefined;
	/** Called with a message when something is deleted to make room. */
	onGivenWay?(message: string): void;
}

type Parts = Statements & {
	count: ReturnType<typeof createCounters>["count"];
	idOf: ReturnType<typeof createDestinations>["idOf"];
	deleteUnused: ReturnType<typeof createUnused>["deleteUnused"];
	claims: Pick<ReturnType<typeof createClaims>, "yieldClaims" | "untrustedBytes">;
};

/** Makes the size limit of the store. Free pages do not count, as they are filled first. */
export function createRoom(
	{ run, get, all, count, idOf, deleteUnused, claims }: Parts,
	{ maxBytes, onGivenWay }: RoomOptions,
) {
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
		if (rows.length > 0) onGivenWay?.(deadLettersGaveWay);
		return rows.length;
	}

	/**
	 * Deletes some of what is remembered of delivered untrusted events and of people: the claims that end soonest, then
	 * the rows unused for longest. Returns their number.
	 */
	function yieldRemembered(): number {
		const before = Date.now() - neededMs;
		// Guard (SECURITY.md): memory-gives-way
		const deleted =
			(claims.untrustedBytes() > limits.claims && claims.yieldClaims(yieldSize)) ||
			deleteUnused("known", before, yieldSize) ||
			deleteUnused("link", before, yieldSize);
		if (deleted === 0) return 0;
		count(idOf("", siteItself), forgotten, deleted);
		onGivenWay?.(rememberedGaveWay);
		return deleted;
	}

	return {
		/**
		 * Lets dead letters of untrusted events give way until such events have room, then what is remembered. Runs apart
		 * from the call that needs the room: they stay deleted if that call fails.
		 */
		makeRoom(): void {
			// Guard (SECURITY.md): store-gives-way
			if (usedAtMost < limits.calm) return;
			for (let step = 0; step < yieldSteps && readSize() >= limits.calm; step += 1) {
				if ((yieldDeadLetters() || yieldRemembered()) === 0) return;
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
