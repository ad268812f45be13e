import { type Delivery, readFlags } from "../deliveries.ts";
import { bodiesStart, type EventHead, type Head, type JournalRow } from "../journal-row.ts";
import type { Discarded } from "../outbox.ts";
import type { Bundles } from "./bundles.ts";
import type { Claims } from "./claims.ts";
import type { Counters } from "./counters.ts";
import { type Destinations, siteItself } from "./destinations.ts";
import type { Lanes } from "./lanes.ts";
import { bytesOf, optionalNumber, type Row, type Statements } from "./statements.ts";
import type { Transactions } from "./transaction.ts";

/** Discarded events that are told of, of one journal row. */
const discardedTold = 100;

interface Parts {
	statements: Statements;
	transactions: Transactions;
	numbers(count?: number): number;
	destinations: Destinations;
	counters: Counters;
	bundles: Bundles;
	claims: Claims;
	owe: Lanes["owe"];
	/** Throws where there is none for so many bytes more. */
	ensureRoom(bytes: number): void;
}

/** What fan-out did with one journal row. */
export interface FannedOut {
	events: number;
	/** The last that were discarded. */
	discarded: Discarded[];
}

/** The journal, and how it becomes entries of lanes: only what none of its claims keeps out. */
export function createFanOut({
	statements: { run, get },
	transactions: { onRollback },
	numbers,
	destinations: { idOf },
	counters: { count },
	bundles,
	claims,
	owe,
	ensureRoom,
}: Parts) {
	/** Rows to fan out. Infinite until none was found, as counting them would delay the start. */
	let waiting = Number.POSITIVE_INFINITY;
	function changeWaiting(by: number): void {
		const before = waiting;
		waiting += by;
		onRollback(() => {
			waiting = before;
		});
	}

	/** The last row that was set aside before this start, and the last of those that was tried again. */
	const lastSetAside = optionalNumber(get("SELECT max(id) AS id FROM journal WHERE stuck IS NOT NULL")?.id) ?? -1;
	let lastRetried = -1;
	function retried(id: number): void {
		const before = lastRetried;
		lastRetried = id;
		onRollback(() => {
			lastRetried = before;
		});
	}

	/** The row to fan out next: the oldest, or once there is none, the oldest set aside that was not tried again yet. */
	const nextRow = () =>
		get("SELECT id, head, keys, stuck FROM journal WHERE stuck IS NULL ORDER BY id LIMIT 1") ??
		get(
			"SELECT id, head, keys, stuck FROM journal WHERE stuck IS NOT NULL AND id > ? AND id <= ? ORDER BY id LIMIT 1",
			lastRetried,
			lastSetAside,
		);

	/** Notes that a row is fanned out or set aside now. */
	function leave({ id = null, stuck }: Row): void {
		if (stuck === null) changeWaiting(-1);
		else retried(Number(id));
	}

	/**
	 * The number of a row's first bundle. What was set aside gets new numbers: with its old ones it would come before
	 * entries that are leased, and be settled in their place.
	 */
	function firstBundle({ id = null, stuck }: Row, bundleCount: number): number {
		if (stuck === null) return Number(id);
		const first = numbers(bundleCount);
		bundles.renumber(Number(id), bundleCount, first);
		return first;
	}

	/** What each destination is owed of a bundle's events. */
	function deliveriesOf(events: EventHead[], routes: string[][], isOut: (place: number) => boolean) {
		const owed = new Map<string, Delivery[]>();
		for (const [place, [rank, flags, route]] of events.entries()) {
			if (isOut(place)) continue;
			const delivery = { place, rank, ...readFlags(flags) };
			for (const name of routes[route] ?? []) {
				const others = owed.get(name);
				if (others) others.push(delivery);
				else owed.set(name, [delivery]);
			}
		}
		return owed;
	}

	function fanOutRow(row: Row, now: number): FannedOut {
		const { site, routes, terms, bundles: heads, skipped = [] } = JSON.parse(String(row.head)) as Head;
		const start = firstBundle(row, heads.length);
		const keys = bytesOf(row.keys);
		const all = heads.flatMap(({ events }) => events);
		const held = claims.takeAll(all, keys, terms);
		const discarded: Discarded[] = [];
		let first = 0;
		for (const [index, { person, events }] of heads.entries()) {
			const bundle = start + index;
			const offset = first;
			first += events.length;
			const owed = deliveriesOf(events, routes, (place) => held.has(offset + place));
			for (const [name, deliveries] of owed) owe(idOf(site, name), person, { bundle, deliveries }, now);
			if (held.size > 0) {
				const bodies = bundles.bodies(bundle);
				for (const [place, body] of bodies.entries()) {
					const term = held.get(offset + place);
					if (term) discarded.push({ site, person, body, reason: term.reason });
				}
			}
			if (owed.size > 0) bundles.owe(bundle, owed.size, now);
			else bundles.remove(bundle);
		}
		const itself = idOf(site, siteItself);
		count(itself, "events", all.length);
		for (const { reason } of held.values()) count(itself, `discarded:${reason}`, 1);
		for (const { destination, reason, count: by } of skipped) count(idOf(site, destination), `discarded:${reason}`, by);
		run("DELETE FROM journal WHERE id = ?", row.id ?? null);
		return { events: all.length, discarded: discarded.slice(-discardedTold) };
	}

	return {
		append(row: JournalRow): void {
			const { site, head, bytes, bundles: own } = row;
			ensureRoom(bytes.length);
			const id = numbers(Math.max(1, own.length));
			let start = bodiesStart(row);
			// Node before 24.15 and 25.9 can bind an empty array as NULL, as its data pointer is null:
			// https://www.sqlite.org/c3ref/bind_blob.html
			run("INSERT INTO journal (id, head, keys) VALUES (?, ?, coalesce(?, x''))", id, head, bytes.subarray(0, start));
			for (const [index, { person, events, bytes: size }] of own.entries()) {
				bundles.add({ id: id + index, site, person, events, bodies: bytes.subarray(start, start + size) });
				start += size;
			}
			changeWaiting(1);
		},

		/** Batches to fan out; infinite where that is not known. */
		waiting: () => waiting,

		/** Turns the next journal row into entries; undefined if there is none. */
		fanOut(now: number): FannedOut | undefined {
			const row = nextRow();
			if (!row) {
				waiting = 0;
				return undefined;
			}
			leave(row);
			return fanOutRow(row, now);
		},

		/** Keeps the next journal row out of the way of the others, with why, until the store is opened again. */
		setAside(reason: string): void {
			const row = nextRow();
			if (!row) return;
			run("UPDATE journal SET stuck = ? WHERE id = ?", reason, row.id ?? null);
			leave(row);
		},
	};
}
