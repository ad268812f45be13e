import { deliverySize, reservedFlag } from "../deliveries.ts";
import type { Settled, Settlement } from "../lease.ts";
import { knownFreshMs } from "../limits.ts";
import { columns } from "./connection.ts";
import { onCounted, slotOf } from "./counters.ts";
import { lockOrder } from "./lanes.ts";
import type { Shared } from "./shared.ts";
import { storable } from "./text.ts";

/** Returns SQL that locks the lanes among `$1` that owner `$2` has leased, and reads columns of them. */
export const lockLeased = (read: string) =>
	`SELECT ${read} FROM eventferry.lane WHERE id = ANY($1::bigint[]) AND state = 'leased' AND owner = $2
	ORDER BY ${lockOrder} FOR UPDATE`;

/** SQL that replaces the stored knowledge of a person, unless it is the same and was used lately. */
export const onKnown = `ON CONFLICT (destination, person) DO UPDATE SET value = excluded.value, used_at = excluded.used_at
	WHERE known.value <> excluded.value OR abs(known.used_at - excluded.used_at) > ${knownFreshMs}`;

/** Returns SQL for a lane's first entry behind another one. */
const entryBehind = (id: string) =>
	`SELECT * FROM eventferry.entry WHERE entry.lane = lane.id AND entry.id > ${id} ORDER BY entry.id LIMIT 1`;

/**
 * SQL that ends the first delivery of each locked lane as delivered, and changes every row that depends on it. In `leased`,
 * `ahead` is the next delivery, packed, and `stays` is true if it belongs to the same entry. Lanes whose new rank takes
 * more reads, or after which the person's other lanes must be arranged, are left alone (not `is_plain`). Rows of `owing`
 * are locked in order, and before those of `counter`, as in every other transaction, against deadlocks.
 */
const settle = `WITH leased AS MATERIALIZED (
	SELECT lane.id, lane.lease, destination, person, behind, done, rank, moves, t.known, now, head.id AS entry, head.batch, head.place,
		head.is_shared, stays, ahead, CASE WHEN stays THEN head.stored_at ELSE follower.stored_at END AS owed_since,
		CASE WHEN ahead IS NULL THEN NOT (trusted AND EXISTS (
			SELECT FROM eventferry.lane AS other
			WHERE other.destination = lane.destination AND other.person = lane.person AND other.id <> lane.id
		)) ELSE get_byte(head.deliveries, ${deliverySize} * done + 2) > rank OR get_byte(ahead, 2) <= rank END AS is_plain
	FROM unnest($1::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::boolean[]) AS t (id, lease, known, now, moves)
	JOIN eventferry.lane ON lane.id = t.id AND lane.lease = t.lease AND state = 'leased' AND owner = $2
	CROSS JOIN LATERAL (${entryBehind("0")}) AS head
	CROSS JOIN LATERAL (SELECT head.count > done + 1 AS stays) AS first
	LEFT JOIN LATERAL (${entryBehind("head.id")}) AS follower ON NOT stays
	CROSS JOIN LATERAL (SELECT CASE WHEN stays THEN substring(head.deliveries FROM ${deliverySize} * (done + 1) + 1)
		ELSE follower.deliveries END AS ahead) AS second
), plain AS MATERIALIZED (SELECT * FROM leased WHERE is_plain),
gone AS (DELETE FROM eventferry.lane USING plain WHERE lane.id = plain.id AND ahead IS NULL),
kept AS (
	UPDATE eventferry.lane SET state = 'ready', owner = NULL, due_at = 0, rank = least(lane.rank, get_byte(ahead, 2)),
		reserved = get_byte(ahead, 3) & ${reservedFlag} > 0, owed_since = plain.owed_since, attempts = 0, unreadable = 0,
		failing_since = NULL, requests = 0, shown = NULL, done = CASE WHEN stays THEN plain.done + 1 ELSE 0 END,
		turn = CASE WHEN moves THEN nextval('eventferry.turn') ELSE lane.turn END
	FROM plain WHERE lane.id = plain.id AND ahead IS NOT NULL
),
ended AS (DELETE FROM eventferry.entry USING plain WHERE entry.lane = plain.id AND entry.id = plain.entry AND NOT stays),
paid AS MATERIALIZED (
	SELECT batch, place, is_shared, count(*)::integer AS lanes FROM plain WHERE NOT stays GROUP BY batch, place, is_shared
),
owed AS MATERIALIZED (
	SELECT owing.batch, owing.place, owing.lanes FROM eventferry.owing
	WHERE (batch, place) IN (SELECT batch, place FROM paid WHERE is_shared) ORDER BY batch, place FOR UPDATE
),
still AS MATERIALIZED (SELECT batch, place, owed.lanes - paid.lanes AS lanes FROM owed JOIN paid USING (batch, place)),
less AS (
	UPDATE eventferry.owing SET lanes = still.lanes FROM still
	WHERE owing.batch = still.batch AND owing.place = still.place AND still.lanes > 0
),
settled AS (
	DELETE FROM eventferry.owing USING still
	WHERE owing.batch = still.batch AND owing.place = still.place AND still.lanes <= 0
),
unowed AS (
	DELETE FROM eventferry.bundle USING (
		SELECT batch, place FROM paid WHERE NOT is_shared UNION ALL SELECT batch, place FROM still WHERE lanes <= 0
	) AS t WHERE bundle.batch = t.batch AND bundle.place = t.place
),
remembered AS (
	INSERT INTO eventferry.known (destination, person, value, used_at)
	SELECT destination, person, known, now FROM plain WHERE known IS NOT NULL ${onKnown}
),
counted AS (
	INSERT INTO eventferry.counter SELECT site, destination.name, figure.name, $7::integer, value FROM (
		SELECT destination, count(*) AS events, count(*) FILTER (WHERE ahead IS NULL) AS lanes
		FROM plain CROSS JOIN (SELECT count(*) FROM still) AS locked GROUP BY destination
	) AS ended JOIN eventferry.destination ON destination.id = ended.destination
	CROSS JOIN LATERAL (VALUES ('delivered', events), ('lanes', -lanes), ('owed', -events)) AS figure (name, value)
	WHERE value <> 0 ORDER BY 1, 2, 3 ${onCounted}
)
SELECT state, string_agg(id || ' ' || lease, ',') AS leases FROM (
	SELECT id, lease, CASE WHEN NOT is_plain THEN 'others' WHEN behind THEN 'yields' WHEN ahead IS NULL THEN 'gone'
		ELSE 'remains' END AS state FROM leased
) AS each GROUP BY state`;

/** Tells whether a settlement only ends one delivery as delivered. */
const isPlain = ({ ended, failed, postponedTo, awaitedTo, leftOut, aliases }: Settlement): boolean =>
	ended?.count === 1 &&
	ended.ending.kind === "delivered" &&
	!(failed || postponedTo || awaitedTo !== undefined || leftOut || aliases?.length);

/**
 * Makes the function that settles leases of one delivered event, as most are. It sends two statements to the database at
 * once: the first locks the lanes, the second reads and writes all else. Resolves to the states of the lanes, except
 * those that were left alone.
 */
export function createDeliveredSettling({ database, owner }: Pick<Shared, "database" | "owner">) {
	return async (settlements: readonly Settlement[]): Promise<Map<Settlement, Settled>> => {
		const plain = settlements.filter(isPlain);
		if (plain.length === 0) return new Map();
		const lanes = plain.map(({ lease }) => lease.lane);
		const { settling } = await database.transaction(async (run) => {
			void run(lockLeased(""), [lanes, owner.id]);
			return {
				settling: run(settle, [
					lanes,
					owner.id,
					...columns(
						plain,
						({ lease }) => lease.number,
						({ known }) => (known === undefined ? null : storable(known)),
						"now",
						({ isOnTheWay }) => !isOnTheWay,
					),
					slotOf(owner),
				]),
			};
		});
		const states = new Map(
			(await settling).flatMap(({ state, leases }) =>
				String(leases)
					.split(",")
					.map((lease) => [lease, state as Settled | "others"]),
			),
		);
		return new Map(
			plain.flatMap((settlement) => {
				const state = states.get(`${settlement.lease.lane} ${settlement.lease.number}`) ?? "lost";
				return state === "others" ? [] : [[settlement, state]];
			}),
		);
	};
}
