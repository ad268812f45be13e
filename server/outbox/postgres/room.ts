import { StoreUnavailableError, storeFull } from "../errors.ts";
import type { Database } from "./connection.ts";

/** Interval between size checks. A check scans the bundles and dead letters. */
const lookEveryMs = 10_000;

export type Room = ReturnType<typeof createRoom>;

/**
 * Makes the size limit of the store. Of events and dead letters only the bytes count, not the size of their tables:
 * PostgreSQL uses free space of a table again, but does not make the table smaller.
 */
export function createRoom({ run }: Pick<Database, "run">, maxBytes = Number.POSITIVE_INFINITY) {
	let used = 0;
	let lookedAt = Number.NEGATIVE_INFINITY;

	async function readSize(): Promise<void> {
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
			if (performance.now() - lookedAt > lookEveryMs) await readSize();
			if (used + bytes > maxBytes) throw new StoreUnavailableError(storeFull);
			used += bytes;
		},
	};
}
