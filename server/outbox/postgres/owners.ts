import { createClock } from "./clock.ts";
import type { Database } from "./connection.ts";

/** SQL for the time of the database, ms since the epoch. */
const timeOfDatabase = "extract(epoch FROM clock_timestamp()) * 1000 AS time";
/** Interval between beats, by which a process shows that it lives. */
const beatMs = 1_500;
/** Time without a beat after which a process is taken for dead and its leases end. */
const deadMs = 10_000;
/** Time without a beat after which a process sends no more requests. */
const doubtMs = 8_000;

export interface Owner {
	readonly id: number;
	/** Returns false if another process may have taken this one for dead. */
	isSurelySeen(): boolean;
}

/**
 * Registers this process as an owner of leases: a row that it touches with every beat. Only the clock of the database
 * decides which owners are dead. A process that slept for too long becomes another owner, and has lost its leases.
 */
export async function createOwners({ run }: Pick<Database, "run">) {
	const clock = createClock(() => performance.now());
	let id = await register();
	let seenAt = performance.now();
	/** Start of the beats without a gap. After an outage of the database all processes look dead, until they beat again. */
	let steadySince = seenAt;

	async function register(): Promise<number> {
		const start = performance.now();
		const [row] = await run(`INSERT INTO eventferry.owner DEFAULT VALUES RETURNING id, ${timeOfDatabase}`);
		clock.correct({ time: Number(row?.time), start, end: performance.now() });
		return Number(row?.id);
	}

	const removeDead = () =>
		run(
			`DELETE FROM eventferry.owner WHERE seen_at < clock_timestamp() - ${deadMs} * interval '1 millisecond' AND id <> $1`,
			[id],
		);

	/** Frees lanes whose owners are gone; resolves to their number. */
	async function free(): Promise<number> {
		const freed = await run(
			`WITH left_behind AS (
				SELECT id FROM eventferry.lane WHERE state = 'leased'
				AND NOT EXISTS (SELECT FROM eventferry.owner WHERE owner.id = lane.owner) FOR UPDATE SKIP LOCKED
			) UPDATE eventferry.lane SET state = 'ready', owner = NULL FROM left_behind WHERE lane.id = left_behind.id
			RETURNING lane.id`,
		);
		return freed.length;
	}

	return {
		beatMs,
		/** Time by the clock of the database, as far as the beats tell, ms since the epoch. */
		now: clock.now,
		owner: {
			get id() {
				return id;
			},
			isSurelySeen: () => performance.now() - seenAt < doubtMs,
		} satisfies Owner,

		/** Shows that this process lives, removes dead processes, and reads what is new in the store. */
		async beat() {
			const at = performance.now();
			const [row] = await run(
				`WITH seen AS (UPDATE eventferry.owner SET seen_at = clock_timestamp() WHERE id = $1 RETURNING id)
				SELECT EXISTS (SELECT FROM seen) AS is_seen, EXISTS (SELECT FROM eventferry.journal WHERE stuck IS NULL) AS has_journal,
				(SELECT last_value FROM eventferry.id) AS latest_id, ${timeOfDatabase}`,
				[id],
			);
			const time = Number(row?.time);
			clock.correct({ time, start: at, end: performance.now() });
			const wasDead = !row?.is_seen;
			if (wasDead) id = await register();
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
				/** Number of lanes freed, because their owners are dead or stopped. */
				freed: await free(),
				/** True if this process was taken for dead. */
				wasDead,
			};
		},

		/** Frees the leases of this process at once, when it stops. */
		async leave(): Promise<void> {
			await run("DELETE FROM eventferry.owner WHERE id = $1", [id]);
			await free();
		},
	};
}
