import { createRoomLimits, type RoomUse, yieldSize, yieldSteps } from "../room.ts";
import { discardedFor, gaveWay } from "../tally.ts";
import type { Database } from "./connection.ts";
import type { Counters } from "./counters.ts";

/** Interval between size checks while there is room, and while there is none. */
const lookEveryMs = 10_000;
const lookAgainMs = 1_000;
/** Part of the time that size checks may take. A check reads the bundles and dead letters. */
const lookShare = 1 / 20;

export interface RoomOptions {
	maxBytes?: number | undefined;
	/** Called when dead letters of untrusted events are deleted. */
	onGivenWay?(): void;
}

export type Room = ReturnType<typeof createRoom>;

/**
 * Makes the size limit of the store. Of events and dead letters only the bytes count, not the size of their tables:
 * PostgreSQL uses free space of a table again, but does not make the table smaller.
 */
export function createRoom(
	{ database, counters }: { database: Pick<Database, "run" | "transaction">; counters: Counters },
	{ maxBytes, onGivenWay }: RoomOptions,
) {
	const limits = createRoomLimits(maxBytes);
	let used = 0;
	let lookedAt = Number.NEGATIVE_INFINITY;
	let lookTook = 0;
	let reading: Promise<void> | undefined;
	let yielding: Promise<void> | undefined;
	/** Time of the last look for dead letters that found none. */
	let foundNoneAt = Number.NEGATIVE_INFINITY;

	async function readSize(): Promise<void> {
		lookedAt = performance.now();
		const [row] = await database.run(
			`SELECT (SELECT coalesce(sum(octet_length(bodies)), 0) FROM eventferry.bundle)::bigint
			+ (SELECT coalesce(sum(octet_length(body)), 0) FROM eventferry.dead_letter)::bigint
			+ pg_total_relation_size('eventferry.claim') + pg_total_relation_size('eventferry.known')
			+ pg_total_relation_size('eventferry.link') AS used`,
		);
		used = Number(row?.used);
		lookTook = performance.now() - lookedAt;
	}

	/** Reads the size if the last reading is too old. Calls that come meanwhile share the reading. */
	async function look(): Promise<void> {
		const every = used < limits.calm ? lookEveryMs : lookAgainMs;
		if (performance.now() - lookedAt > Math.max(every, lookTook / lookShare)) {
			reading ??= readSize().finally(() => {
				reading = undefined;
			});
		}
		await reading;
	}

	/** Deletes the oldest dead letters of untrusted events; resolves to their number. */
	async function yieldDeadLetters(): Promise<number> {
		const rows = await database.transaction(async (run) => {
			const deleted = await run(
				`DELETE FROM eventferry.dead_letter USING eventferry.destination
				WHERE destination.id = dead_letter.destination AND dead_letter.id IN (
					SELECT id FROM eventferry.dead_letter WHERE NOT trusted ORDER BY id LIMIT ${yieldSize} FOR UPDATE SKIP LOCKED
				) RETURNING site, name, octet_length(body) AS bytes`,
			);
			const counts = counters(run);
			for (const { site, name } of deleted) {
				counts.add(String(site), String(name), "dead", -1);
				counts.add(String(site), String(name), discardedFor(gaveWay), 1);
			}
			await counts.save();
			return deleted;
		});
		for (const { bytes } of rows) used -= Number(bytes);
		if (rows.length > 0) onGivenWay?.();
		else foundNoneAt = performance.now();
		return rows.length;
	}

	async function yieldSome(): Promise<void> {
		for (let step = 0; step < yieldSteps && used >= limits.calm; step += 1) {
			if ((await yieldDeadLetters()) === 0) return;
		}
	}

	/** Lets dead letters of untrusted events give way until such events have room. */
	async function makeRoom(): Promise<void> {
		if (used < limits.calm) return;
		if (!yielding && performance.now() - foundNoneAt < lookAgainMs) return;
		yielding ??= yieldSome().finally(() => {
			yielding = undefined;
		});
		await yielding;
	}

	async function ensureRoom(bytes: number, isTrusted: boolean): Promise<void> {
		if (!limits.isLimited) return;
		await look();
		await makeRoom();
		limits.ensure(used + bytes, isTrusted);
		used += bytes;
	}

	return {
		/** Rejects if the store has no room for more bytes. */
		ensureRoom,
		/** Resolves to the use of the room; to undefined for a store without a limit. */
		async use(): Promise<RoomUse | undefined> {
			if (!limits.isLimited) return undefined;
			await look();
			return limits.use(used);
		},
	};
}
