import { readFirst } from "./entries.ts";
import { isLeased } from "./owners.ts";

/** Returns SQL that tells whether a lane is leased. A lease of this process whose answer was lost does not count. */
const isTaken = (lane: string) =>
	`${isLeased(lane, "$4")} AND NOT (${lane}.owner = $3 AND $5::bigint[] IS NOT NULL AND NOT ${lane}.id = ANY($5))`;

/**
 * SQL that tells whether another lane of the person is leased at the destination: an older one, of less trusted events.
 * Fan-out locks a person's lanes before it makes another, so none of them is leased later. There is no EXISTS, which
 * PostgreSQL may answer by reading every leased lane first.
 */
const isPersonLeased = `coalesce((
	SELECT true FROM eventferry.lane AS other WHERE other.destination = lane.destination AND other.person = lane.person
	AND other.id <> lane.id AND ${isTaken("other")} LIMIT 1
), false)`;

/** SQL for the time at which the next waiting lane is due. */
const nextDue = `(
	SELECT due_at FROM eventferry.lane WHERE destination = $1 AND asleep AND NOT id = ANY($2::bigint[])
	ORDER BY due_at LIMIT 1
)`;

/**
 * SQL by which a transaction does not wait for the disk when it commits. A crash of the database then forgets the latest
 * leases; their settlements are refused. https://www.postgresql.org/docs/current/wal-async-commit.html
 */
export const withoutSync = "set_config('synchronous_commit', 'off', true)";

/**
 * Returns SQL that locks the next ready lanes that meet a condition, `most` at most. SKIP LOCKED does not skip the locks
 * of the same transaction, so the condition leaves out the lanes of earlier tables.
 * https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
 */
const nextReady = (reservedOnly: boolean, order: string, most: string, condition = "true") => `(
	SELECT id, ctid AS version, rank, turn FROM eventferry.lane
	WHERE destination = $1 AND NOT asleep AND ${reservedOnly ? "reserved" : "NOT behind"} AND ${condition}
	AND NOT (${isTaken("lane")}) AND NOT (trusted AND ${isPersonLeased}) AND NOT id = ANY($2::bigint[])
	AND EXISTS (SELECT FROM eventferry.owner WHERE id = $3)
	AND EXISTS (SELECT FROM eventferry.destination WHERE id = $1 AND hold IS NOT DISTINCT FROM $6)
	ORDER BY ${order} LIMIT ${most} FOR UPDATE SKIP LOCKED
)`;
const notIn = (table: string) => `NOT id = ANY(ARRAY(SELECT id FROM ${table}))`;

/**
 * Returns SQL that leases lanes and reads the bodies that most leases show. It leases `$10` lanes by rank, and locks one
 * more, to see whether there is one. With `isLongestDue` it leases `$11` by rank and `$12` by waiting before these. Bodies
 * of a lane that has changed since the statement began are not read.
 */
export const leaseLanes = (reservedOnly: boolean, isLongestDue: boolean) => `WITH ${
	isLongestDue
		? `first AS MATERIALIZED ${nextReady(reservedOnly, "rank, turn", "$11::integer")},
longest AS MATERIALIZED ${nextReady(reservedOnly, "turn", "$12::integer", notIn("first"))},`
		: ""
} others AS MATERIALIZED ${nextReady(reservedOnly, "rank, turn", "$10::integer + 1", isLongestDue ? `${notIn("first")} AND ${notIn("longest")}` : "true")},
leased AS (
	UPDATE eventferry.lane SET state = 'leased', lease = lease + 1, owner = $3, leased_until = $7 FROM (
		${isLongestDue ? "SELECT * FROM first UNION ALL SELECT * FROM longest UNION ALL" : ""}
		(SELECT * FROM others ORDER BY rank, turn LIMIT $10)
	) AS chosen WHERE lane.id = chosen.id RETURNING lane.*, version
) SELECT ${withoutSync}, hold, (SELECT count(*) FROM others) > $10 AS is_more, ${nextDue} AS next_at, leased.id, leased.lease,
	leased.person, leased.rank, leased.turn, leased.done, leased.attempts, leased.unreadable, leased.failing_since,
	leased.requests, leased.shown, shows.*
FROM eventferry.destination LEFT JOIN leased ON true
LEFT JOIN LATERAL ${readFirst("leased", "least($8::integer, leased.shown)", "NOT $9::boolean AND leased.shown IS NULL")} AS shows ON true
WHERE destination.id = $1`;
