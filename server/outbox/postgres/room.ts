import { StoreUnavailableError, storeFull } from "../errors.ts";
import type { Database } from "./connection.ts";

/** Interval between size checks. A check scans the bundles and dead letters. */
const lookEveryMs = 10_000;

export type Room = ReturnType<typeof createRoom>;

/**
 * Makes the size limit of the store. Only the bytes of events and dead letters count, not their tables, as PostgreSQL
 * fills free space of a table again without making it smaller.
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
		async ensureRoom(bytes: number): Promise<void> {
			if (maxBytes === Number.POSITIVE_INFINITY) return;
			if (performance.now() - lookedAt > lookEveryMs) await look();
			if (used + bytes > maxBytes) throw new StoreUnavailableError(storeFull);
			used += bytes;
		},
	};
}
