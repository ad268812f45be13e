import { storeFull } from "../errors.ts";
import type { Statements } from "./statements.ts";

/** Bytes on disk of a byte that is appended, at most: bodies, what lanes and claims add, pages that are not full. */
const overhead = 8;

export type Room = ReturnType<typeof createRoom>;

/** Keeps what is stored under a size. Pages that were emptied do not count: they are filled first. */
export function createRoom({ run, get }: Statements, maxBytes = Number.POSITIVE_INFINITY) {
	/** What can be appended before it is worth looking again. */
	let left = 0;

	function look(): void {
		const used = get(
			`SELECT (page_count - freelist_count) * page_size AS bytes
			FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
		);
		const room = maxBytes - Number(used?.bytes);
		// Guard (SECURITY.md): store-size
		if (room <= 0) throw new Error(storeFull);
		left = room / overhead;
	}

	return {
		/** Throws where there is no room. Looks seldom, as long as there is much of it. */
		ensureRoom(bytes: number): void {
			left -= bytes;
			if (left < 0) look();
		},
		/** Writes, so that a full or broken disk shows; a store that may not grow shows too. */
		check(): void {
			look();
			run("UPDATE number SET next = next");
		},
	};
}
