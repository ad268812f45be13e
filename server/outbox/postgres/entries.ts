import { aloneFlag, type Delivery, deliverySize, earnsFlag, packDeliveries, unpackDeliveries } from "../deliveries.ts";
import { optionalNumber } from "../row.ts";
import { type BundleKey, linesOf } from "./bundles.ts";
import { columns, type Row, type Run } from "./connection.ts";

/** SQL for a byte of the delivery with an index among packed ones. */
const byteOf = (packed: string, index: string, byte: number) =>
	`get_byte(${packed}, ${deliverySize} * ${index} + ${byte})`;

/** An entry: the deliveries that a lane owes of one bundle. */
export interface Entry extends BundleKey {
	lane: number;
	id: number;
	deliveries: readonly Delivery[];
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
 * each. The lanes must be locked by an earlier statement: otherwise the entries may be out of date.
 */
const leading = `unnest($1::bigint[], $2::integer[]) AS t (id, needed) JOIN eventferry.lane USING (id)
	CROSS JOIN LATERAL (
		SELECT * FROM (
			SELECT *, sum(count) OVER (ORDER BY id) - count AS before
			FROM (SELECT * FROM eventferry.entry WHERE entry.lane = lane.id ORDER BY id LIMIT done + needed) AS head
		) AS counted WHERE before < done + needed
	) AS owed`;

/** Bytes of bundles after which a lease shows no further bundle. */
const readBytes = 65_536;

/** Bytes of a bundle up to which a lease reads it whole. */
const smallBytes = 8_192;

/**
 * Returns SQL for a table with the bodies that most leases show, at a fraction of the cost of `readLeading`: the next body
 * if it takes a request of its own (`single` is its place in the bundle), else its whole bundle if that is small. `bodies`
 * is null if only `readLeading` can tell. The table is empty if `lane` was changed after the statement began: the entries
 * may then be out of date.
 */
export const readFirst = (lane: string, most: string, endsAlone: string) => `(
	SELECT known.value AS known, head.deliveries, single,
		CASE WHEN single IS NOT NULL THEN substring(
			bodies FROM coalesce(ends[single] + 2, 1) FOR ends[single + 1] - coalesce(ends[single] + 1, 0)
		) WHEN octet_length(bodies) <= ${smallBytes} THEN bodies END AS bodies,
		CASE WHEN single IS NULL THEN EXISTS (
			SELECT FROM eventferry.entry WHERE entry.lane = ${lane}.id AND entry.id > head.id
		) END AS has_more
	FROM eventferry.lane AS seen
	CROSS JOIN LATERAL (
		SELECT id, batch, place, deliveries, CASE
			WHEN octet_length(deliveries) > ${deliverySize} * ${lane}.done
			AND (${most} = 1 OR ${endsAlone} AND ${byteOf("deliveries", `${lane}.done`, 3)} & ${aloneFlag} > 0)
			THEN ${byteOf("deliveries", `${lane}.done`, 0)} + 256 * ${byteOf("deliveries", `${lane}.done`, 1)}
		END AS single
		FROM eventferry.entry WHERE entry.lane = ${lane}.id ORDER BY id LIMIT 1
	) AS head
	JOIN eventferry.bundle USING (batch, place)
	LEFT JOIN eventferry.known ON known.destination = ${lane}.destination AND known.person = ${lane}.person
	WHERE seen.id = ${lane}.id AND seen.ctid = ${lane}.version OFFSET 0
)`;

/** Deliveries that a lease of a lane may show. */
export interface Shown {
	/** Number of deliveries of the first entry that have ended. */
	done: number;
	/** Maximum number of deliveries. */
	most: number;
	/** True to end with the first delivery that takes a request of its own. */
	endsAlone: boolean;
}

/** Returns the bodies that a row of `readFirst` has for a lease; undefined if it takes `readLeading` to tell. */
export function firstBodies(row: Row, { done, most, endsAlone }: Shown): string[] | undefined {
	if (row.bodies === null) return undefined;
	const lines = linesOf(row.bodies);
	if (row.single !== null) return lines;
	const pending = entryOf(row).deliveries.slice(done, done + most);
	const alone = endsAlone ? pending.findIndex((each) => each.alone) : -1;
	if (alone < 0 && pending.length < most && row.has_more === true) return undefined;
	return pending.slice(0, alone < 0 ? undefined : alone + 1).map(({ place }) => lines[place] ?? "");
}

/**
 * SQL that reads the leading bodies of leased lanes, as lines, and the knowledge of their people at destination `$1`.
 * `$2` lists the lanes, `$3` the ended deliveries of each first entry, `$4` the deliveries to read, `$6` the people. If
 * `$5` is true, reading ends with the first delivery that takes a request of its own. The server cuts the bodies out of
 * their bundles, which may be large. It cuts text in the format `escape`, which leaves newlines as they are and works
 * for all bytes: https://www.postgresql.org/docs/current/functions-binarystring.html
 */
export const readLeading = `SELECT t.lane, known.value AS known, (
		SELECT string_agg(lines.bodies, '\x0a' ORDER BY chosen.id) FROM (
			SELECT *, sum(octet_length(bodies)) OVER (ORDER BY id) - octet_length(bodies) AS bytes_before FROM (
				SELECT *, sum(count) OVER (ORDER BY id) - count AS before
				FROM (SELECT * FROM eventferry.entry WHERE entry.lane = t.lane ORDER BY id LIMIT t.done + wanted.most) AS head
			) AS counted JOIN eventferry.bundle USING (batch, place) WHERE before < t.done + wanted.most
		) AS chosen
		CROSS JOIN LATERAL (SELECT encode(chosen.bodies, 'escape') AS text OFFSET 0) AS escaped
		CROSS JOIN LATERAL (
			SELECT string_agg(decode(split_part(escaped.text, E'\n',
				1 + ${byteOf("chosen.deliveries", "i", 0)} + 256 * ${byteOf("chosen.deliveries", "i", 1)}
			), 'escape'), '\x0a' ORDER BY i) AS bodies
			FROM generate_series(
				greatest(0, t.done - before)::integer, least(count, t.done + wanted.most - before)::integer - 1
			) AS i
		) AS lines WHERE bytes_before < ${readBytes}
	) AS bodies
	FROM unnest($2::bigint[], $3::integer[], $4::integer[], $5::boolean[], $6::text[]) AS t (lane, done, most, ends, person)
	CROSS JOIN LATERAL (
		SELECT least(t.most, (
			SELECT before + i + 1 - t.done FROM (
				SELECT *, sum(count) OVER (ORDER BY id) - count AS before
				FROM eventferry.entry WHERE entry.lane = t.lane ORDER BY id LIMIT t.done + t.most
			) AS head CROSS JOIN LATERAL generate_series(0, count - 1) AS i
			WHERE t.ends AND before + i >= t.done AND ${byteOf("deliveries", "i", 3)} & ${aloneFlag} > 0 ORDER BY id, i LIMIT 1
		)) AS most
		OFFSET 0
	) AS wanted
	LEFT JOIN eventferry.known ON known.destination = $1 AND known.person = t.person`;

/**
 * SQL that selects those of the lanes `$1` for whose person an event worth a profile waits, in any of their lanes at the
 * destination.
 */
export const selectEarning = `SELECT own.id FROM eventferry.lane AS own WHERE own.id = ANY($1::bigint[]) AND EXISTS (
	SELECT FROM eventferry.lane AS each CROSS JOIN LATERAL (
		SELECT deliveries, count, sum(count) OVER (ORDER BY id) - count AS before
		FROM eventferry.entry WHERE entry.lane = each.id
	) AS owed CROSS JOIN LATERAL generate_series(0, count - 1) AS i
	WHERE each.destination = own.destination AND each.person = own.person
	AND before + i >= each.done AND ${byteOf("deliveries", "i", 3)} & ${earnsFlag} > 0
)`;

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
