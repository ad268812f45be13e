import type { Batch } from "../batch.ts";
import { bodiesStart, type JournalRow, sealed } from "../journal-row.ts";
import type { Run } from "./connection.ts";
import { createGroupCommit } from "./group-commit.ts";
import type { Room } from "./room.ts";
import type { Shared } from "./shared.ts";

/** Maximum number of bytes in one commit, unless a single batch is larger. */
const bytesAtOnce = 4_000_000;
/** Maximum number of batches in one commit. */
const batchesAtOnce = 200;
const newline = 10;

/** Joins pieces into one value, with their starts counted from 1: an array would have to escape its elements. */
function joined(pieces: readonly Uint8Array[]) {
	const lengths = pieces.map(({ length }) => length);
	let next = 1;
	const starts = lengths.map((length) => {
		next += length;
		return next - length;
	});
	return { bytes: Buffer.concat(pieces), starts, lengths };
}

/** Returns the places at which the lines of a bundle end, as an array of PostgreSQL. */
function endsOf(bodies: Uint8Array): string {
	const ends: number[] = [];
	for (let end = bodies.indexOf(newline); end >= 0; end = bodies.indexOf(newline, end + 1)) ends.push(end);
	return `{${[...ends, bodies.length].join()}}`;
}

/** Stores batches, with ids in the order given. */
export async function insertBatches(run: Run, batches: readonly JournalRow[]): Promise<void> {
	const heads = joined(batches.map(({ head }) => Buffer.from(head)));
	const keys = joined(batches.map((batch) => batch.bytes.subarray(0, bodiesStart(batch))));
	const bundles = batches.flatMap((batch, index) => {
		let next = bodiesStart(batch);
		return batch.bundles.map(({ bytes }, place) => {
			next += bytes;
			return { number: index + 1, place, bodies: batch.bytes.subarray(next - bytes, next) };
		});
	});
	const bodies = joined(bundles.map((bundle) => bundle.bodies));
	await run(
		`WITH batch AS MATERIALIZED (
			SELECT nextval('eventferry.batch') AS id, t.* FROM unnest($1::integer[], $3::integer[], $4::integer[], $6::integer[], $7::integer[])
				WITH ORDINALITY AS t (events, head_start, head_length, keys_start, keys_length, number)
		), journaled AS (
			INSERT INTO eventferry.journal (id, events, head, keys)
			SELECT id, events, convert_from(substring($2::bytea FROM head_start FOR head_length), 'UTF8'),
				substring($5::bytea FROM keys_start FOR keys_length) FROM batch
		) INSERT INTO eventferry.bundle (batch, place, bodies, ends)
		SELECT batch.id, t.place, substring($8::bytea FROM t.start FOR t.length), t.ends::integer[]
		FROM unnest($9::integer[], $10::integer[], $11::integer[], $12::integer[], $13::text[])
			AS t (number, place, start, length, ends)
		JOIN batch ON batch.number = t.number`,
		[
			batches.map((batch) => batch.bundles.reduce((sum, { events }) => sum + events, 0)),
			heads.bytes,
			heads.starts,
			heads.lengths,
			keys.bytes,
			keys.starts,
			keys.lengths,
			bodies.bytes,
			bundles.map(({ number }) => number),
			bundles.map(({ place }) => place),
			bodies.starts,
			bodies.lengths,
			bundles.map((bundle) => endsOf(bundle.bodies)),
		],
	);
}

export function createJournal({ database: { write } }: Shared, { ensureRoom }: Room, onAppended: () => void) {
	const { ask, done } = createGroupCommit<JournalRow, void>(
		async (batches) => {
			await insertBatches(write, batches);
			onAppended();
			return [];
		},
		bytesAtOnce,
		({ bytes }) => bytes.length + bytesAtOnce / batchesAtOnce,
	);
	return {
		async append(batch: Batch | JournalRow): Promise<void> {
			const row = sealed(batch);
			await ensureRoom(row.bytes.length, row.trusted);
			return ask(row);
		},
		done,
	};
}
