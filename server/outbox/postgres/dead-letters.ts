import {
	type DeadLetterQuery,
	isNamed,
	type NewDeadLetter,
	orderOf,
	pageOf,
	rangeOf,
	readCursor,
	replayed,
} from "../dead-letter.ts";
import { stepSize } from "../limits.ts";
import type { DeadLetterSelection } from "../outbox.ts";
import { columns, type Row, type Run } from "./connection.ts";
import type { Counts } from "./counters.ts";
import { addEntries, type NewEntry } from "./lanes.ts";
import type { Exclusively } from "./schema.ts";
import type { Shared } from "./shared.ts";
import { restored, storable } from "./text.ts";

export async function insertDeadLetters(run: Run, letters: readonly NewDeadLetter[]): Promise<void> {
	if (letters.length === 0) return;
	await run(
		`INSERT INTO eventferry.dead_letter
		(destination, person, body, rank, reserved, trusted, status, reason, message, attempts, first_at, last_at)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::integer[], $5::boolean[], $6::boolean[], $7::integer[],
			$8::text[], $9::text[], $10::integer[], $11::bigint[], $12::bigint[])`,
		columns(
			letters,
			"destination",
			"person",
			({ body }) => storable(body),
			"rank",
			"reserved",
			"trusted",
			({ ending }) => ending.status,
			({ ending }) => storable(ending.reason),
			({ ending: { message } }) => message && storable(message),
			"attempts",
			"firstAt",
			"at",
		),
	);
}

/** Dead letters of a replay or discard that are left to do. */
interface Range {
	/** Id of the last dead letter done. */
	after: number;
	/** Highest id at the start. */
	last: number;
}

/** SQL that selects dead letters by `values`: `$1` to `$6` from the selection, `$7` and `$8` from the range. */
const chosen = `FROM eventferry.dead_letter JOIN eventferry.destination ON destination.id = dead_letter.destination
	WHERE ($1::text IS NULL OR name = $1) AND ($2::text IS NULL OR reason = $2)
	AND ($3::bigint[] IS NULL OR dead_letter.id = ANY($3))
	AND ($4::bigint IS NULL OR last_at >= $4) AND ($5::bigint IS NULL OR last_at < $5)
	AND ($6::text[] IS NULL OR person = ANY($6))
	AND dead_letter.id > $7 AND dead_letter.id <= $8`;
const oldestFirst = "ORDER BY dead_letter.id";
const values = ({ destination, reason, ids, since, before, people }: DeadLetterSelection, { after, last }: Range) => [
	destination && storable(destination),
	reason && storable(reason),
	ids?.map(Number).filter(Number.isSafeInteger),
	since,
	before,
	people?.map(storable),
	after,
	last,
];

/** Finds the last id to look at in a step after another, so that a step stays short; undefined if it is the last of all. */
async function endAfter(run: Run, start: number, { ids }: DeadLetterSelection, newestFirst = false) {
	if (ids) return undefined;
	const [order, isLater] = orderOf(newestFirst);
	const where = `WHERE id ${isLater} $1 ORDER BY id ${order} LIMIT 1 OFFSET ${stepSize}`;
	const [next] = await run(`SELECT id FROM eventferry.dead_letter ${where}`, [start]);
	return next && Number(next.id) + (newestFirst ? 1 : -1);
}

export function createDeadLetters(
	{ database, destinations, counters, notice, now, owner }: Shared,
	exclusively: Exclusively,
) {
	async function remove(run: Run, rows: readonly Row[], counts: Counts): Promise<void> {
		for (const { site, name } of rows) counts.add(String(site), String(name), "dead", -1);
		await run("DELETE FROM eventferry.dead_letter WHERE id = ANY($1::bigint[])", [rows.map(({ id }) => id)]);
	}

	/** Puts dead letters at the ends of their lanes, each as a bundle of its own. */
	async function revive(run: Run, rows: readonly Row[], counts: Counts): Promise<void> {
		const [next] = await run("SELECT nextval('eventferry.batch') AS id");
		const batch = Number(next?.id);
		const entries = rows.map((row, place): NewEntry => {
			const { delivery, history } = replayed(row);
			const [destination, person] = [Number(row.destination), String(row.person)];
			return { batch, place, destination, person, deliveries: [delivery], isShared: false, history };
		});
		const bodies = rows.map(({ body }) => Buffer.from(restored(String(body))));
		void run("INSERT INTO eventferry.bundle SELECT $1::bigint, * FROM unnest($2::integer[], $3::bytea[])", [
			batch,
			entries.map(({ place }) => place),
			bodies,
		]);
		await addEntries(run, entries, { destinations, counts, now: now(), owner });
	}

	/** Goes through a selection step by step, each in a transaction; resolves to the number of dead letters done. */
	async function steps(
		selection: DeadLetterSelection,
		use: (run: Run, rows: readonly Row[], counts: Counts) => Promise<void>,
		onProgress: (done: number) => void = () => {},
	): Promise<number> {
		const [end] = await database.run("SELECT coalesce(max(id), 0) AS id FROM eventferry.dead_letter");
		const range = { after: 0, last: Number(end?.id) };
		for (let done = 0; ; ) {
			const { after, named } = await exclusively(async (run) => {
				const end = Math.min((await endAfter(run, range.after, selection)) ?? range.last, range.last);
				const found = await run(
					`SELECT dead_letter.*, site, name ${chosen} ${oldestFirst} LIMIT ${stepSize} FOR UPDATE OF dead_letter`,
					values(selection, { after: range.after, last: end }),
				);
				const named = found.filter(isNamed(selection.name, restored));
				const after = found.length === stepSize ? Number(found.at(-1)?.id) : end;
				if (named.length === 0) return { after, named };
				const counts = counters(run);
				await use(run, named, counts);
				await remove(run, named, counts);
				await counts.save();
				await run(`SELECT ${notice}`);
				return { after, named };
			});
			done += named.length;
			onProgress(done);
			if (after >= range.last) return done;
			range.after = after;
		}
	}

	return {
		async deadLetters({ limit, cursor, newestFirst = false, ...selection }: DeadLetterQuery) {
			const start = readCursor(cursor, newestFirst);
			const end = await endAfter(database.run, start, selection, newestFirst);
			const [order] = orderOf(newestFirst);
			const most = selection.name === undefined ? limit : stepSize;
			const rows = await database.run(
				`SELECT dead_letter.id, site, name AS destination, body, status, reason, message, attempts, first_at, last_at
				${chosen} ORDER BY dead_letter.id ${order} LIMIT $9`,
				[...values(selection, rangeOf(start, end, newestFirst)), most + 1],
			);
			return pageOf(rows.filter(isNamed(selection.name, restored)), { limit, end, read: restored });
		},

		replay: (selection: DeadLetterSelection, onProgress?: (done: number) => void): Promise<number> =>
			steps(selection, revive, onProgress),

		discard: (selection: DeadLetterSelection, onProgress?: (done: number) => void): Promise<number> =>
			steps(selection, async () => {}, onProgress),
	};
}
