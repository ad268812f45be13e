import { storeFull } from "../errors.ts";
import type { Statements } from "./statements.ts";

/** Maximum number of bytes on disk for each byte appended, with lanes, claims and free space in pages. */
const overhead = 8;

/** Makes the size limit of the store. Free pages do not count, as they are filled first. */
export function createRoom({ run, get }: Statements, maxBytes = Number.POSITIVE_INFINITY) {
	/** Number of bytes that can be appended before the size is read again. */
	let left = 0;

	function readSize(): void {
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
		/** Throws if the store has no room for more bytes. Reads the size seldom while there is much room. */
		ensureRoom(bytes: number): void {
			left -= bytes;
			if (left < 0) readSize();
		},
		/** Throws if the store is full, or if a write fails on a full or broken disk. */
		check(): void {
			readSize();
			run("UPDATE number SET next = next");
		},
	};
}
