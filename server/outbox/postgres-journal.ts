import { keyOf } from "./claim-key.ts";
import type { Batch, Claim, NewEvent } from "./outbox.ts";
import type { HashedClaim } from "./postgres-claims.ts";
import type { Database, Run } from "./postgres-connection.ts";
import { storable } from "./postgres-text.ts";
import { together } from "./postgres-together.ts";

/** An event without its body, which is `bytes` of the row's bodies. */
export interface Head extends Omit<NewEvent, "body" | "claims"> {
	claims: HashedClaim[];
	bytes: number;
}
/** What a journal row holds beside the bodies: fan-out decides by it alone, and never moves a body. */
export interface Heads extends Omit<Batch, "events"> {
	events: Head[];
}

interface JournalRow {
	events: number;
	heads: string;
	bodies: Buffer;
}

/** Bytes of bodies that one commit takes, unless a single batch is larger; and batches. */
const bytesAtOnce = 4_000_000;
const rowsAtOnce = 200;

/** A claim with its key as it is stored, so that it is computed once and fan-out need not. */
export const hashed = (site: string, person: string, claim: Claim): HashedClaim => ({
	key: keyOf(site, person, claim).toString("hex"),
	reason: claim.reason,
	at: claim.at,
	since: claim.since,
	until: claim.until,
	...(claim.ofPerson && { ofPerson: true }),
});

/** A batch as a row. Throws where it is no JSON, before it joins a commit. */
export function journalRow({ site, events, skipped }: Batch): JournalRow {
	const bodies = events.map(({ body }) => Buffer.from(storable(body)));
	const heads: Heads = {
		site,
		...(skipped && { skipped }),
		events: events.map(({ person, destinations, rank, reserved, claims }, index) => ({
			person,
			destinations,
			rank,
			reserved,
			claims: claims.map((claim) => hashed(site, person, claim)),
			bytes: bodies[index]?.length ?? 0,
		})),
	};
	return { events: events.length, heads: JSON.stringify(heads), bodies: Buffer.concat(bodies) };
}

/** Appends rows; their ids are in the order given. */
export async function insertJournal(run: Run, rows: readonly JournalRow[]): Promise<void> {
	const places = rows.map((_, index) => `($${3 * index + 1}, $${3 * index + 2}, $${3 * index + 3})`);
	await run(
		`INSERT INTO eventferry.journal (events, heads, bodies) VALUES ${places.join()}`,
		rows.flatMap(({ events, heads, bodies }) => [events, heads, bodies]),
	);
}

/** Batches as they come, each durable once its promise resolves. */
export function createJournal({ run }: Pick<Database, "run">, onAppended: () => void) {
	const { ask, done } = together<JournalRow, void>(
		async (rows) => {
			await insertJournal(run, rows);
			onAppended();
			return [];
		},
		bytesAtOnce,
		({ bodies }) => bodies.length + bytesAtOnce / rowsAtOnce,
	);
	return {
		append: async (batch: Batch): Promise<void> => ask(journalRow(batch)),
		done,
	};
}
