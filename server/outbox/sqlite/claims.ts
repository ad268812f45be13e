import { keyBytes } from "../claim-key.ts";
import type { EventHead, Term } from "../journal-row.ts";
import { bytesOf, type Statements } from "./statements.ts";
import type { Transactions } from "./transaction.ts";

/** Number of rows of the table `ordinal`, and so the maximum number of keys in one statement. */
export const ordinals = 128;
/** Maximum number of rows of `claim_end` that a step of a sweep reads. */
const rowsAtOnce = 500;
/** Number of keys after which a step of a sweep ends. */
const keysAtOnce = 5_000;

const keyAt = (keys: Buffer, place: number) => keys.subarray(place * keyBytes, (place + 1) * keyBytes);

/**
 * Makes the table of claims. A sweep finds expired claims by `claim_end`, which has many keys in each row: an index of
 * the claims by their expiry would be a second B-tree to write to for each event.
 */
export function createClaims({ run, get, all }: Statements, { savepoint }: Transactions) {
	function addEnd(keys: Uint8Array, until: number): void {
		run("INSERT INTO claim_end (until, keys) VALUES (?, ?)", [until, keys]);
	}

	const isTaken = (key: Uint8Array, { at }: Term) =>
		get("SELECT 1 FROM claim WHERE key = ?1 AND since <= ?2 AND until > ?2", [key, at]) !== undefined;

	/** Takes a claim unless it is taken already; returns true if it was free. */
	function take(key: Uint8Array, { at, since, until }: Term): boolean {
		const { changes } = run(
			`INSERT INTO claim VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET since = ?2, until = ?3
			WHERE since > ?4 OR until <= ?4`,
			[key, since, until, at],
		);
		if (Number(changes) === 0) return false;
		addEnd(key, until);
		return true;
	}

	class IsTaken extends Error {}
	/** Takes claims with the same term if none of them is stored, even expired; returns true if they were taken. */
	function takeNew(keys: Buffer, { since, until }: Term): boolean {
		try {
			savepoint(() => {
				for (let from = 0; from < keys.length; from += ordinals * keyBytes) {
					const some = keys.subarray(from, from + ordinals * keyBytes);
					const count = some.length / keyBytes;
					const { changes } = run(
						`INSERT INTO claim SELECT substr(?1, 1 + ${keyBytes} * n, ${keyBytes}), ?2, ?3 FROM ordinal WHERE n < ?4
						ON CONFLICT DO NOTHING`,
						[some, since, until, count],
					);
					if (Number(changes) < count) throw new IsTaken();
				}
				addEnd(keys, until);
			});
			return true;
		} catch (error) {
			if (error instanceof IsTaken) return false;
			throw error;
		}
	}

	/** Takes the claims of an event, unless one of them is taken; returns the term of that one. */
	function takeForEvent(keys: Buffer, terms: Term[]): Term | undefined {
		const taken = terms.length > 1 && terms.find((term, place) => isTaken(keyAt(keys, place), term));
		return taken || terms.find((term, place) => !take(keyAt(keys, place), term));
	}

	return {
		isTaken,
		take,
		/** Takes a claim even if it is taken already. */
		set(key: Uint8Array, { since, until }: Term): void {
			run("INSERT OR REPLACE INTO claim VALUES (?, ?, ?)", [key, since, until]);
			addEnd(key, until);
		},

		/**
		 * Takes the claims of events, in order. Returns, by the places of the events to discard, the terms of the claims that
		 * were taken. Tries the usual case first: one claim for each event, all with the same term and none stored.
		 */
		takeAll(events: EventHead[], keys: Buffer, terms: Term[]): Map<number, Term> {
			const taken = new Map<number, Term>();
			const first = events[0]?.[3];
			const term = first === undefined ? undefined : terms[first];
			const isAlike = events.length > 1 && events.every(({ length, 3: each }) => length === 4 && each === first);
			if (term && isAlike && takeNew(keys, term)) return taken;
			let offset = 0;
			for (const [place, [, , , ...own]] of events.entries()) {
				const theirs = own.map((each) => terms[each]).filter((each) => each !== undefined);
				const by = takeForEvent(keys.subarray(offset), theirs);
				if (by) taken.set(place, by);
				offset += own.length * keyBytes;
			}
			return taken;
		},

		/** Deletes some expired claims; returns true if there may be more. */
		sweepClaims(now: number): boolean {
			let looked = 0;
			const rows = all(`SELECT id, keys FROM claim_end WHERE until <= ? LIMIT ${rowsAtOnce}`, [now]);
			for (const { id = null, keys: packed } of rows) {
				const keys = bytesOf(packed);
				for (let from = 0; from < keys.length; from += ordinals * keyBytes) {
					run(
						`DELETE FROM claim WHERE until <= ?1 AND key IN
						(SELECT substr(?2, 1 + ${keyBytes} * n, ${keyBytes}) FROM ordinal WHERE n < ?3)`,
						[now, keys.subarray(from, from + ordinals * keyBytes), Math.min(ordinals, (keys.length - from) / keyBytes)],
					);
				}
				run("DELETE FROM claim_end WHERE id = ?", [id]);
				looked += keys.length / keyBytes;
				if (looked >= keysAtOnce) return true;
			}
			return rows.length === rowsAtOnce;
		},
	};
}
