import { keyBytes, keyOf } from "../claim-key.ts";
import { isTrusted } from "../deliveries.ts";
import type { Destination } from "../destination.ts";
import type { EventHead, Head, Term } from "../journal-row.ts";
import { givenBack, type Order } from "../purchase.ts";
import { takeClaims, type Unwanted, unwantedBy } from "../take-claims.ts";
import { siteItself, untrustedClaims } from "../tally.ts";
import type { createCounters } from "./counters.ts";
import type { createDestinations } from "./destinations.ts";
import { bytesOf, type Row, type Statements } from "./statements.ts";
import type { Transactions } from "./transaction.ts";

/** Number of rows of the table `ordinal`, and so the maximum number of keys in one statement. */
export const ordinals = 128;
/** Maximum number of rows of `claim_end` that a step of a sweep reads. */
const rowsAtOnce = 500;
/** Number of keys after which a step of a sweep ends. */
const keysAtOnce = 5_000;

/** Bytes that a claim takes in both tables, about. */
const claimBytes = 64;

/** Takes claims that none has. A text put together for each call would be hashed for each call. */
const takeNewSql = `INSERT INTO claim SELECT substr(?1, 1 + ${keyBytes} * n, ${keyBytes}), ?2, ?3, ?5 FROM ordinal
	WHERE n < ?4 ON CONFLICT DO NOTHING`;

type Counting = Pick<ReturnType<typeof createDestinations>, "idOf"> &
	Pick<ReturnType<typeof createCounters>, "count" | "counted">;

/**
 * Discards the waiting untrusted purchase of an order at a destination, for the event at a place of a batch. Returns true
 * if one was discarded or had given the order back.
 */
type GiveWay = (place: number, destination: string, order: Order, reason: string) => boolean;

/** Counts the events from a place on that have one claim each, with the same term and trust. */
function countAlike(events: EventHead[], from: number): number {
	const [, flags = 0, , term] = events[from] ?? [];
	const isAlike = ({ length, 1: of, 3: each }: EventHead) =>
		length === 4 && each === term && isTrusted(of) === isTrusted(flags);
	let place = from;
	for (let next = events[place]; next && isAlike(next); next = events[place]) place += 1;
	return place - from;
}

/**
 * Makes the table of claims. A sweep finds expired claims by `claim_end`, which has many keys in each row: an index of
 * the claims by their expiry would be a second B-tree to write to for each event.
 */
export function createClaims(
	{ run, get, all }: Statements,
	{ savepoint }: Transactions,
	{ idOf, count, counted }: Counting,
) {
	function countUntrusted(by: number): void {
		count(idOf("", siteItself), untrustedClaims, by);
	}

	function addEnd(keys: Uint8Array, until: number, trusted: boolean): void {
		run("INSERT INTO claim_end (until, keys, trusted) VALUES (?, ?, ?)", [until, keys, Number(trusted)]);
		if (!trusted) countUntrusted(keys.length / keyBytes);
	}

	/**
	 * Deletes claims of some rows of `claim_end` if they end by a time, with about `most` keys; returns their number.
	 * `trusted` is 0 to keep those that a trusted event has taken over.
	 */
	function remove(rows: Row[], until: (row: Row) => number, most: number, trusted: 0 | 1): number {
		let removed = 0;
		for (const row of rows) {
			if (removed >= most) break;
			const keys = bytesOf(row.keys);
			for (let from = 0; from < keys.length; from += ordinals * keyBytes) {
				run(
					`DELETE FROM claim WHERE until <= ?1 AND trusted <= ?4 AND key IN
					(SELECT substr(?2, 1 + ${keyBytes} * n, ${keyBytes}) FROM ordinal WHERE n < ?3)`,
					[
						until(row),
						keys.subarray(from, from + ordinals * keyBytes),
						Math.min(ordinals, (keys.length - from) / keyBytes),
						trusted,
					],
				);
			}
			run("DELETE FROM claim_end WHERE id = ?", [row.id ?? null]);
			if (row.trusted === 0) countUntrusted(-keys.length / keyBytes);
			removed += keys.length / keyBytes;
		}
		return removed;
	}

	const isTaken = (key: Uint8Array, { at }: Term) =>
		get("SELECT 1 FROM claim WHERE key = ?1 AND since <= ?2 AND until > ?2", [key, at]) !== undefined;

	/** Takes a claim unless it is taken already; returns true if it was free. */
	function take(key: Uint8Array, { at, since, until }: Term, trusted: boolean): boolean {
		const { changes } = run(
			`INSERT INTO claim VALUES (?1, ?2, ?3, ?5) ON CONFLICT DO UPDATE SET since = ?2, until = ?3, trusted = ?5
			WHERE since > ?4 OR until <= ?4`,
			[key, since, until, at, Number(trusted)],
		);
		if (Number(changes) === 0) return false;
		addEnd(key, until, trusted);
		return true;
	}

	/** Takes a claim even if it is taken already. */
	function set(key: Uint8Array, { since, until }: Term, trusted: boolean): void {
		run("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?)", [key, since, until, Number(trusted)]);
		addEnd(key, until, trusted);
	}

	class IsTaken extends Error {}
	/** Takes claims with the same term if none of them is stored, even expired; returns true if they were taken. */
	function takeNew(keys: Buffer, { since, until }: Term, trusted: boolean): boolean {
		try {
			savepoint(() => {
				for (let from = 0; from < keys.length; from += ordinals * keyBytes) {
					const some = keys.subarray(from, from + ordinals * keyBytes);
					const count = some.length / keyBytes;
					const { changes } = run(takeNewSql, [some, since, until, count, Number(trusted)]);
					if (Number(changes) < count) throw new IsTaken();
				}
				addEnd(keys, until, trusted);
			});
			return true;
		} catch (error) {
			if (error instanceof IsTaken) return false;
			throw error;
		}
	}

	/** Takes the claims of an event, whose keys come first in `keys`; returns what is discarded. */
	function takeForEvent(
		[, flags, route, ...own]: EventHead,
		keys: Buffer,
		{ terms, routes }: Pick<Head, "terms" | "routes">,
		place: number,
		giveWay: GiveWay,
	): Unwanted[] {
		const claims = own.flatMap((each, index) => {
			const term = terms[each];
			return term ? { ...term, bytes: keys.subarray(index * keyBytes, (index + 1) * keyBytes) } : [];
		});
		type Each = (typeof claims)[number];
		const claiming = {
			isTaken: (claim: Each) => isTaken(claim.bytes, claim),
			take: (claim: Each) => take(claim.bytes, claim, isTrusted(flags)),
		};
		const names = routes[route] ?? [];
		const replacing = claims.some(({ replaces }) => replaces) && {
			route: names,
			isUntrusted: ({ bytes }: Each) => get("SELECT trusted FROM claim WHERE key = ?", [bytes])?.trusted === 0,
			set: (claim: Each) => set(claim.bytes, claim, isTrusted(flags)),
			giveWay: ({ bytes, at, reason }: Each, name: string) =>
				giveWay(place, name, { order: bytes.toString("hex"), at }, reason),
		};
		const taken = takeClaims(claims, claiming, replacing || undefined);
		return unwantedBy(taken, keys.toString("hex", 0, keyBytes), names);
	}

	return {
		isTaken,
		take,
		set,

		/** Gives a person's order back at a destination. */
		giveBack({ site, name }: Destination, person: string, order: Order): void {
			const claim = givenBack(order, name);
			set(keyOf(site, person, claim), claim, false);
		},

		/** Tells whether a person's order was given back at a destination. */
		isGivenBack({ site, name }: Destination, person: string, order: Order): boolean {
			const claim = givenBack(order, name);
			return isTaken(keyOf(site, person, claim), claim);
		},

		/**
		 * Takes the claims of events, in order. Returns, by the places of the events, what is discarded of each: the event, or
		 * its delivery to some destinations. Tries the usual case first: several events in a row with one claim each, all with
		 * the same term and trust, none stored.
		 */
		takeAll(
			events: EventHead[],
			keys: Buffer,
			head: Pick<Head, "terms" | "routes">,
			giveWay: GiveWay,
		): Map<number, Unwanted[]> {
			const { terms } = head;
			const taken = new Map<number, Unwanted[]>();
			let offset = 0;
			for (let place = 0; place < events.length; ) {
				const alike = countAlike(events, place);
				const rest = keys.subarray(offset);
				const term = terms[events[place]?.[3] ?? -1];
				const trusted = isTrusted(events[place]?.[1] ?? 0);
				const isTaken =
					alike > 1 && term && !term.isOnlyChecked && takeNew(rest.subarray(0, alike * keyBytes), term, trusted);
				for (const end = place + Math.max(1, alike); place < end; place += 1) {
					const event = events[place] ?? [0, 0, 0];
					const unwanted = isTaken ? [] : takeForEvent(event, keys.subarray(offset), head, place, giveWay);
					if (unwanted.length > 0) taken.set(place, unwanted);
					offset += (event.length - 3) * keyBytes;
				}
			}
			return taken;
		},

		/** Deletes some expired claims; returns true if there may be more. */
		sweepClaims(now: number): boolean {
			const rows = all(`SELECT * FROM claim_end WHERE until <= ? LIMIT ${rowsAtOnce}`, [now]);
			return remove(rows, () => now, keysAtOnce, 1) >= keysAtOnce || rows.length === rowsAtOnce;
		},

		/** Returns about the bytes that claims of untrusted events take. */
		untrustedBytes: (): number => counted(idOf("", siteItself), untrustedClaims) * claimBytes,

		/** Deletes the claims of untrusted events that end soonest, about `most`; returns their number. */
		yieldClaims(most: number): number {
			const rows = all(`SELECT * FROM claim_end WHERE trusted = 0 ORDER BY until LIMIT ${Math.min(most, rowsAtOnce)}`);
			return remove(rows, ({ until }) => Number(until), most, 0);
		},
	};
}
