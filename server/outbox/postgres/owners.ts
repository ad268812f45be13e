import { createClock } from "./clock.ts";
import type { Database } from "./connection.ts";
import { lockRegistering, olderOwners, revision } from "./schema.ts";

/** SQL for the time of the database, ms since the epoch. */
const timeOfDatabase = "extract(epoch FROM clock_timestamp()) * 1000 AS time";
/** Interval between beats, by which a process shows that it lives. */
const beatMs = 1_500;
/** Time without a beat after which a process is taken for dead and its leases end. */
const deadMs = 10_000;
/** Time without a beat after which a process sends no more requests. */
const doubtMs = 8_000;
/** Time in which a process of an older revision that is gone may come back, as in a restart. */
const comesBackMs = 60_000;

export interface Owner {
	readonly id: number;
	/** Id up to which all owners are known to be there or gone. */
	readonly knownTo: number;
	/** Returns false if another process may have taken this one for dead. */
	isSurelySeen(): boolean;
	/** Returns true if a process of an older revision was there within the last minute, as far as the beats tell. */
	isOlderNear(): boolean;
}

/**
 * Registers this process as an owner of leases: a row that it touches with every beat. Only the clock of the database
 * decides which owners are dead; a dead one's row is deleted, which ends its leases. A process that slept for too long
 * becomes another owner.
 */
export async function createOwners({ run }: Pick<Database, "run">) {
	const clock = createClock(() => performance.now());
	let id = await register();
	let knownTo = id;
	/** The other owners, as the last beat has seen them. */
	let others = "";
	let seenAt = performance.now();
	/** Start of the beats without a gap. After an outage of the database all processes look dead, until they beat again. */
	let steadySince = seenAt;
	let olderSeenAt = Number.NEGATIVE_INFINITY;

	async function register(): Promise<number> {
		const start = performance.now();
		const [row] = await run(
			`WITH locked AS MATERIALIZED (SELECT ${lockRegistering})
			INSERT INTO eventferry.owner (revision) SELECT ${revision} FROM locked RETURNING id, ${timeOfDatabase}`,
		);
		clock.correct({ time: Number(row?.time), start, end: performance.now() });
		return Number(row?.id);
	}

	const removeDead = () =>
		run(
			`DELETE FROM eventferry.owner WHERE seen_at < clock_timestamp() - ${deadMs} * interval '1 millisecond' AND id <> $1`,
			[id],
		);

	return {
		beatMs,
		/** Time by the clock of the database, as far as the beats tell, ms since the epoch. */
		now: clock.now,
		owner: {
			get id() {
				return id;
			},
			get knownTo() {
				return knownTo;
			},
			isSurelySeen: () => performance.now() - seenAt < doubtMs,
			isOlderNear: () => performance.now() - olderSeenAt < comesBackMs,
		} satisfies Owner,

		/** Shows that this process lives, removes dead processes, and reads what is new in the store. */
		async beat() {
			const at = performance.now();
			const [row] = await run(
				`WITH seen AS (UPDATE eventferry.owner SET seen_at = clock_timestamp() WHERE id = $1 RETURNING id)
				SELECT EXISTS (SELECT FROM seen) AS is_seen, EXISTS (SELECT FROM eventferry.journal WHERE stuck IS NULL) AS has_journal,
				(SELECT last_value FROM eventferry.id) AS latest_id, (SELECT version FROM eventferry.schema) AS version,
				(SELECT max(id) FROM eventferry.owner) AS known_to, EXISTS (SELECT ${olderOwners}) AS has_older,
				(SELECT string_agg(id::text, ' ' ORDER BY id) FROM eventferry.owner) AS others, ${timeOfDatabase}`,
				[id],
			);
			const time = Number(row?.time);
			clock.correct({ time, start: at, end: performance.now() });
			const wasDead = !row?.is_seen;
			if (wasDead) id = await register();
			// Never falls: the ids of owners that are gone may be higher than those that are left.
			knownTo = Math.max(knownTo, id, Number(row?.known_to));
			const areOthersNew = others !== row?.others;
			others = String(row?.others);
			if (row?.has_older) olderSeenAt = at;
			if (wasDead || at - seenAt > doubtMs) steadySince = at;
			seenAt = at;
			if (at - steadySince > deadMs) await removeDead();
			return {
				/** True if the journal has a batch to fan out. */
				hasJournal: Boolean(row?.has_journal),
				/** Highest id of entries and lanes; it rises when events are added to lanes. */
				latestId: Number(row?.latest_id),
				/** Time by the clock of the database, ms since the epoch. */
				time,
				/** Version of the schema. */
				version: Number(row?.version),
				/** True while a process of an older revision may take part. */
				hasOlder: row?.has_older === true,
				/** True if owners have come or gone since the last beat: the leases of those gone have ended. */
				areOthersNew,
				/** True if this process was taken for dead. */
				wasDead,
			};
		},

		/** Ends the leases of this process at once, when it stops. */
		async leave(): Promise<void> {
			await run("DELETE FROM eventferry.owner WHERE id = $1", [id]);
		},
	};
}

/**
 * Returns SQL that tells whether a lane is leased. The lease of an owner that is gone has ended. An owner that has just
 * come may be missing from what a statement sees, so only ids up to `knownTo` (SQL) count as gone.
 */
export const isLeased = (lane: string, knownTo: string): string =>
	`${lane}.state = 'leased' AND (${lane}.owner > ${knownTo} OR EXISTS (SELECT FROM eventferry.owner WHERE id = ${lane}.owner))`;
