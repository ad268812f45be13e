import { deadLettersGaveWay, rememberedGaveWay } from "../errors.ts";
import { neededMs } from "../limits.ts";
import { createRoomLimits, type RoomUse, yieldSize, yieldSteps } from "../room.ts";
import { discardedFor, forgotten, gaveWay, siteItself } from "../tally.ts";
import type { Database } from "./connection.ts";
import type { Counters } from "./counters.ts";

/** Interval between size checks while there is room, and while there is none. */
const lookEveryMs = 10_000;
const lookAgainMs = 1_000;
/** Part of the time that size checks may take. A check reads the bundles and dead letters. */
const lookShare = 1 / 20;
/** Number of bytes of a table that a check reads to estimate the rest. */
const sampleBytes = 4_194_304;

/** SQL for the bytes that a row takes with its indexes, about, by table. */
const rowBytes = {
	lane: "400 + 2 * octet_length(person)",
	entry: "220 + octet_length(deliveries)",
	claim: "140",
	known: "140 + 2 * octet_length(person) + octet_length(value)",
	link: "200 + 2 * octet_length(alias) + 2 * octet_length(person)",
};

/** Returns SQL that estimates the bytes of a table's rows by some of its pages. */
function estimated(table: keyof typeof rowBytes, bytes = rowBytes[table]): string {
	const part = `least(1, ${sampleBytes} / greatest(1, pg_relation_size('eventferry.${table}'))::float8)`;
	return `(SELECT coalesce(sum(${bytes}), 0) / ${part} FROM eventferry.${table} TABLESAMPLE SYSTEM (100 * ${part}))`;
}
const tables = ["lane", "entry", "claim", "known", "link"] as const;

/** SQL for rows that were not used since `$1`. */
const unused = "used_at < $1";

/**
 * Tables of what is remembered, in the order in which they give way: key, SQL for the rows that may and for the first of
 * these, and number at a time.
 */
const remembered = [
	{ table: "claim", key: "key", may: "NOT trusted", first: "until", most: 1_000 },
	{ table: "known", key: "destination, person", may: unused, first: "used_at", most: yieldSize },
	{ table: "link", key: "destination, alias", may: unused, first: "used_at", most: yieldSize },
] as const;

export interface RoomOptions {
	maxBytes?: number | undefined;
	/** Called with a message when something is deleted to make room. */
	onGivenWay?(message: string): void;
}

export type Room = ReturnType<typeof createRoom>;

/**
 * Makes the size limit of the store. The bytes of rows count, not the size of tables: PostgreSQL uses free space of a
 * table again, but does not make the table smaller.
 */
export function createRoom(
	{ database, counters, now }: { database: Pick<Database, "run" | "transaction">; counters: Counters; now(): number },
	{ maxBytes, onGivenWay }: RoomOptions,
) {
	const limits = createRoomLimits(maxBytes);
	let used = 0;
	/** Part of the bytes that are claims of untrusted events. */
	let claimsUsed = 0;
	let lookedAt = Number.NEGATIVE_INFINITY;
	let lookTook = 0;
	let reading: Promise<void> | undefined;
	let yielding: Promise<void> | undefined;
	/** Time of the last look for what can give way that found nothing. */
	let foundNoneAt = Number.NEGATIVE_INFINITY;

	async function readSize(): Promise<void> {
		lookedAt = performance.now();
		const [row] = await database.transaction((run) => {
			// All of two tables is read, in the order in which it lies on the disk.
			void run("SET LOCAL enable_seqscan = on");
			return run(
				`SELECT (SELECT coalesce(sum(octet_length(bodies)), 0) FROM eventferry.bundle)
			+ (SELECT coalesce(sum(octet_length(body)), 0) FROM eventferry.dead_letter)
			+ ${tables.map((table) => estimated(table)).join(" + ")} AS used,
			${estimated("claim", `CASE WHEN trusted THEN 0 ELSE ${rowBytes.claim} END`)} AS claims`,
			);
		});
		used = Number(row?.used);
		claimsUsed = Number(row?.claims);
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
		if (rows.length > 0) onGivenWay?.(deadLettersGaveWay);
		return rows.length;
	}

	/**
	 * Deletes some of what is remembered of delivered untrusted events and of people: the claims that end soonest, then
	 * the rows unused for longest. Resolves to their number.
	 */
	async function yieldRemembered(): Promise<number> {
		const before = now() - neededMs;
		for (const { table, key, may, first, most } of remembered) {
			if (table === "claim" && claimsUsed <= limits.claims) continue;
			const deleted = await database.transaction(async (run) => {
				const rows = await run(
					`DELETE FROM eventferry.${table} WHERE (${key}) IN (
						SELECT ${key} FROM eventferry.${table} WHERE ${may} ORDER BY ${first} LIMIT ${most}
						FOR UPDATE SKIP LOCKED
					) RETURNING ${rowBytes[table]} AS bytes`,
					may === unused ? [before] : [],
				);
				const counts = counters(run);
				counts.add("", siteItself, forgotten, rows.length);
				await counts.save();
				return rows;
			});
			const freed = deleted.reduce((sum, row) => sum + Number(row.bytes), 0);
			used -= freed;
			if (table === "claim") claimsUsed -= freed;
			if (deleted.length > 0) {
				onGivenWay?.(rememberedGaveWay);
				return deleted.length;
			}
		}
		return 0;
	}

	async function yieldSome(): Promise<void> {
		for (let step = 0; step < yieldSteps && used >= limits.calm; step += 1) {
			if ((await yieldDeadLetters()) > 0 || (await yieldRemembered()) > 0) continue;
			foundNoneAt = performance.now();
			return;
		}
	}

	/** Lets dead letters of untrusted events give way until such events have room, then what is remembered. */
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
