import { type Delivery, packDeliveries, unpackDeliveries } from "../deliveries.ts";
import { optionalNumber } from "../row.ts";
import type { BundleKey } from "./bundles.ts";
import { columns, type Row, type Run } from "./connection.ts";

/** An entry: the deliveries that a lane owes of one bundle. */
export interface Entry extends BundleKey {
	lane: number;
	id: number;
	deliveries: Delivery[];
	storedAt: number;
	/** Time of the first attempt of a replayed dead letter. */
	firstAt: number | undefined;
	/** Number of attempts of a replayed dead letter. */
	pastAttempts: number;
	/** True if other lanes owe events of the bundle as well. */
	isShared: boolean;
}

export const entryOf = (row: Row): Entry => ({
	lane: Number(row.lane),
	id: Number(row.id),
	batch: Number(row.batch),
	place: Number(row.place),
	deliveries: Buffer.isBuffer(row.deliveries) ? unpackDeliveries(row.deliveries) : [],
	storedAt: Number(row.stored_at),
	firstAt: optionalNumber(row.first_at),
	pastAttempts: Number(row.past_attempts),
	isShared: row.is_shared === true,
});

/**
 * SQL for a table `owed` of the leading entries of lanes. `$1` lists the lanes, `$2` the number of deliveries to read of
 * each, ended ones included. The lanes must be locked or leased: otherwise the entries may be out of date.
 */
export const leading = `unnest($1::bigint[], $2::integer[]) WITH ORDINALITY AS t (lane, needed, number)
	CROSS JOIN LATERAL (
		SELECT * FROM (
			SELECT *, sum(count) OVER (ORDER BY id) - count AS before
			FROM (SELECT * FROM eventferry.entry WHERE entry.lane = t.lane ORDER BY id LIMIT t.needed) AS head
		) AS counted WHERE before < t.needed
	) AS owed`;

export async function leadingEntries(
	run: Run,
	lanes: readonly { id: number; needed: number }[],
): Promise<Map<number, Entry[]>> {
	const rows = await run(`SELECT owed.* FROM ${leading} ORDER BY owed.lane, owed.id`, columns(lanes, "id", "needed"));
	return Map.groupBy(rows.map(entryOf), ({ lane }) => lane);
}

export async function insertEntries(run: Run, entries: readonly Entry[]): Promise<void> {
	if (entries.length === 0) return;
	await run(
		`INSERT INTO eventferry.entry (lane, id, batch, place, count, stored_at, first_at, past_attempts, is_shared, deliveries)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::integer[], $6::bigint[], $7::bigint[],
			$8::integer[], $9::boolean[], $10::bytea[])`,
		columns(
			entries,
			"lane",
			"id",
			"batch",
			"place",
			({ deliveries }) => deliveries.length,
			"storedAt",
			"firstAt",
			"pastAttempts",
			"isShared",
			({ deliveries }) => Buffer.from(packDeliveries(deliveries)),
		),
	);
}

export async function removeEntries(run: Run, entries: readonly Pick<Entry, "lane" | "id">[]): Promise<void> {
	if (entries.length === 0) return;
	await run(
		`DELETE FROM eventferry.entry USING unnest($1::bigint[], $2::bigint[]) AS t (lane, id)
		WHERE entry.lane = t.lane AND entry.id = t.id`,
		columns(entries, "lane", "id"),
	);
}
