import type { Database } from "./connection.ts";

/** How often a process says that it lives. */
const beatMs = 1_500;
/** Who has not been seen for so long is taken for dead, and what it had leased is free. */
const deadMs = 10_000;
/** Who has not surely been seen for so long sends nothing any more. */
const doubtMs = 8_000;

export interface Owner {
	readonly id: number;
	/** Whether nobody can have taken this process for dead yet. */
	isSurelySeen(): boolean;
}

export interface Beat {
	/** Whether something is in the journal. */
	hasJournal: boolean;
	/** Rises with each event that is added to a lane. */
	latest: number;
	/** ms since the epoch, by the database's clock. */
	time: number;
	/** Lanes that were freed, as who had leased them is dead or stopped. */
	freed: number;
	/** Whether this process was taken for dead. */
	wasDead: boolean;
}

/**
 * Who may hold leases. Each process of the group has a row, and says every now and then that it lives; by the
 * database's clock alone it is decided who does not. A process that slept is another one when it wakes: what
 * it had leased is not its own any more.
 */
export async function createOwners({ run }: Pick<Database, "run">) {
	let id = await register();
	let seenAt = performance.now();
	/** Since when this process has been seen without a gap. Whoever could not be seen itself cannot tell who is dead. */
	let steadySince = seenAt;

	async function register(): Promise<number> {
		const [row] = await run("INSERT INTO eventferry.owner DEFAULT VALUES RETURNING id");
		return Number(row?.id);
	}

	/** Buries those that have not been seen. */
	const bury = () =>
		run(
			`DELETE FROM eventferry.owner WHERE seen_at < clock_timestamp() - ${deadMs} * interval '1 millisecond' AND id <> $1`,
			[id],
		);

	/** Frees what is leased by nobody that is there; resolves to how many lanes. */
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
		owner: {
			get id() {
				return id;
			},
			isSurelySeen: () => performance.now() - seenAt < doubtMs,
		} satisfies Owner,

		/** Says that this process lives. */
		async beat(): Promise<Beat> {
			const at = performance.now();
			const [row] = await run(
				`WITH seen AS (UPDATE eventferry.owner SET seen_at = clock_timestamp() WHERE id = $1 RETURNING id)
				SELECT EXISTS (SELECT FROM seen) AS is_seen, EXISTS (SELECT FROM eventferry.journal WHERE stuck IS NULL) AS has_journal,
				(SELECT last_value FROM eventferry.id) AS latest, extract(epoch FROM clock_timestamp()) * 1000 AS time`,
				[id],
			);
			const wasDead = !row?.is_seen;
			if (wasDead) id = await register();
			if (wasDead || at - seenAt > doubtMs) steadySince = at;
			seenAt = at;
			if (at - steadySince > deadMs) await bury();
			const freed = await free();
			return {
				hasJournal: Boolean(row?.has_journal),
				latest: Number(row?.latest),
				time: Number(row?.time),
				freed,
				wasDead,
			};
		},

		/** Takes leave: what this process has leased is free at once. */
		async leave(): Promise<void> {
			await run("DELETE FROM eventferry.owner WHERE id = $1", [id]);
			await free();
		},
	};
}
