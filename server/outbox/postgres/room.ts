import { StoreUnavailableError, storeFull } from "../errors.ts";
import type { Database } from "./connection.ts";

/** How often it is looked how much there is: it means to go through what is owed. */
const lookEveryMs = 10_000;

/**
 * Keeps what is stored under a size. Of events and dead letters their own bytes count: the tables they leave
 * behind are filled again first, and do not shrink.
 */
export function createRoom({ run }: Pick<Database, "run">, maxBytes = Number.POSITIVE_INFINITY) {
	let used = 0;
	let lookedAt = Number.NEGATIVE_INFINITY;

	async function look(): Promise<void> {
		lookedAt = performance.now();
		const [row] = await run(
			`SELECT (SELECT coalesce(sum(octet_length(bodies)), 0) FROM eventferry.bundle)::bigint
			+ (SELECT coalesce(sum(octet_length(body)), 0) FROM eventferry.dead_letter)::bigint
			+ pg_total_relation_size('eventferry.claim') + pg_total_relation_size('eventferry.known')
			+ pg_total_relation_size('eventferry.link') AS used`,
		);
		used = Number(row?.used);
	}

	return {
		/** Rejects where there is no room for so many bytes more. */
		async ensureRoom(bytes: number): Promise<void> {
			if (maxBytes === Number.POSITIVE_INFINITY) return;
			if (performance.now() - lookedAt > lookEveryMs) await look();
			if (used + bytes > maxBytes) throw new StoreUnavailableError(storeFull);
			used += bytes;
		},
	};
}
