import type { SQLInputValue } from "node:sqlite";
import { type DeadLetterQuery, isNamed, type NewDeadLetter, pageOf, readCursor, replayed } from "../dead-letter.ts";
import { stepSize } from "../limits.ts";
import type { DeadLetterSelection } from "../outbox.ts";
import type { Shared } from "./shared.ts";
import type { Row } from "./statements.ts";

export type DeadLetters = ReturnType<typeof createDeadLetters>;

/** Progress of a replay or discard. */
export interface Step {
	/** Id of the last dead letter done. */
	after: number;
	/** Highest id at the start. */
	last: number;
	/** Number of dead letters done. */
	done: number;
	isOver: boolean;
}

export function createDeadLetters({ run, get, all, numbers, idOf, count, bundles, journal, lanes }: Shared) {
	const destinationOf = ({ site, destination }: Row) => idOf(String(site), String(destination));

	function remove(row: Row): void {
		run("DELETE FROM dead_letter WHERE id = ?", [row.id ?? null]);
		count(destinationOf(row), "dead", -1);
	}

	const chosen = `(?1 IS NULL OR destination = ?1) AND (?2 IS NULL OR reason = ?2)
		AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))
		AND (?4 IS NULL OR last_at >= ?4) AND (?5 IS NULL OR last_at < ?5)
		AND (?6 IS NULL OR person IN (SELECT value FROM json_each(?6)))`;
	const values = ({ destination, reason, ids, since, before, people }: DeadLetterSelection): SQLInputValue[] => [
		destination ?? null,
		reason ?? null,
		ids ? JSON.stringify(ids.map(Number)) : null,
		since ?? null,
		before ?? null,
		people ? JSON.stringify(people) : null,
	];

	/** Last id to look at in one step after another, so that a step stays short. Undefined if it is the last of all. */
	function endAfter(after: number, { ids }: DeadLetterSelection): number | undefined {
		if (ids) return undefined;
		const next = get(`SELECT id FROM dead_letter WHERE id > ? ORDER BY id LIMIT 1 OFFSET ${stepSize}`, [after]);
		return next && Number(next.id) - 1;
	}

	const begin = (): Step => ({
		after: 0,
		last: Number(get("SELECT max(id) AS id FROM dead_letter")?.id ?? 0),
		done: 0,
		isOver: false,
	});

	/** Removes the next dead letters of a selection, calling `use` with each. Skips dead letters added since the start. */
	function step(selection: DeadLetterSelection, from: Step | undefined, use: (row: Row) => void): Step {
		const { after: start, last, done } = from ?? begin();
		const end = Math.min(endAfter(start, selection) ?? last, last);
		const rows = all(
			`SELECT * FROM dead_letter WHERE ${chosen} AND id > ?7 AND id <= ?8 ORDER BY id LIMIT ${stepSize}`,
			[...values(selection), start, end],
		);
		const named = rows.filter(isNamed(selection.name));
		for (const row of named) {
			use(row);
			remove(row);
		}
		const after = rows.length === stepSize ? Number(rows.at(-1)?.id) : end;
		return { after, last, done: done + named.length, isOver: after >= last };
	}

	return {
		add({ destination, person, body, attempts, firstAt, at, ending, ...letter }: NewDeadLetter): void {
			const [reserved, trusted] = [letter.reserved ? 1 : 0, letter.trusted ? 1 : 0];
			const { status = null, reason, message = null } = ending;
			run(
				`INSERT INTO dead_letter
				(site, destination, person, body, rank, reserved, trusted, status, reason, message, attempts, first_at, last_at)
				SELECT site, name, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM destination WHERE id = ?`,
				[person, body, letter.rank, reserved, trusted, status, reason, message, attempts, firstAt, at, destination],
			);
		},

		deadLetters({ limit, cursor, ...selection }: DeadLetterQuery) {
			const after = readCursor(cursor);
			const end = endAfter(after, selection);
			const most = selection.name === undefined ? limit : stepSize;
			const rows = all(`SELECT * FROM dead_letter WHERE ${chosen} AND id > ?7 AND id <= ?8 ORDER BY id LIMIT ?9`, [
				...values(selection),
				after,
				end ?? Number.MAX_SAFE_INTEGER,
				most + 1,
			]);
			return pageOf(rows.filter(isNamed(selection.name)), { limit, end });
		},

		/**
		 * Does one step of a replay, which puts dead letters at the ends of their lanes. Waits until the journal is empty:
		 * earlier events that are not fanned out yet have lower numbers and would overtake the replayed ones.
		 */
		replayStep(selection: DeadLetterSelection, from: Step | undefined, now: number): Step {
			if (journal.waiting() > 0) return from ?? begin();
			return step(selection, from, (row) => {
				const bundle = numbers();
				const [site, person] = [String(row.site), String(row.person)];
				bundles.add({ id: bundle, site, person, events: 1, bodies: Buffer.from(String(row.body)) });
				bundles.owe(bundle, 1, now);
				const { delivery, history } = replayed(row);
				const theirs = { person, lanes: lanes.ofPerson(person) };
				lanes.addEntry(destinationOf(row), theirs, { bundle, deliveries: [delivery], history }, now);
			});
		},

		discardStep: (selection: DeadLetterSelection, from: Step | undefined): Step => step(selection, from, () => {}),

		/** Deletes some dead letters last tried before a time; returns true if there may be more. */
		sweepDeadLetters(before: number): boolean {
			const old = all(`SELECT * FROM dead_letter WHERE last_at < ? LIMIT ${stepSize}`, [before]);
			for (const row of old) remove(row);
			return old.length === stepSize;
		},
	};
}
