import { keyBytes } from "../claim-key.ts";
import { byDestination } from "../deliveries.ts";
import { type EventHead, type Head, routedOf } from "../journal-row.ts";
import { discardedTold, untrustedMost } from "../limits.ts";
import type { Discarded } from "../outbox.ts";
import { routeWithout } from "../take-claims.ts";
import { discardedFor, siteItself, tooManyWaiting } from "../tally.ts";
import { createReplacing } from "./replace.ts";
import type { Shared } from "./shared.ts";
import { bytesOf, type Row } from "./statements.ts";

/** The result of the fan-out of one journal row. */
export interface FannedOut {
	events: number;
	/** Up to 100 events that were discarded. */
	discarded: Discarded[];
}

/** Finds the order of the event at a place of a row; undefined if the event is no untrusted purchase. */
function orderOf(events: readonly EventHead[], place: number, keys: Buffer, { terms }: Head) {
	const termsOf = ([, , , ...own]: EventHead) => own.map((index) => terms[index]);
	const before = events.slice(0, place).flatMap(termsOf).length;
	const own = events.slice(place, place + 1).flatMap(termsOf);
	const index = own.findIndex((term) => term?.isReplaceable);
	const { at } = own[index] ?? {};
	const start = keyBytes * (before + index);
	return at === undefined ? undefined : { order: keys.toString("hex", start, start + keyBytes), at };
}

/** Makes the fan-out, which turns journal rows into entries of lanes and discards events whose claims are taken. */
export function createFanOut(shared: Shared) {
	const { run, numbers, idOf, count, bundles, claims, journal, lanes } = shared;
	const giveWay = createReplacing(shared);

	/**
	 * Returns the number of a row's first bundle. A batch that was set aside gets new numbers: with the old ones its
	 * entries would come before leased entries, and be settled in their place.
	 */
	function firstBundle({ id = null, stuck }: Row, bundleCount: number): number {
		if (stuck === null) return Number(id);
		const first = numbers(bundleCount);
		bundles.renumber(Number(id), bundleCount, first);
		return first;
	}

	function fanOutRow(row: Row, now: number): FannedOut {
		const whole = JSON.parse(String(row.head)) as Head;
		const { site, bundles: heads, skipped = [] } = whole;
		const start = firstBundle(row, heads.length);
		const keys = bytesOf(row.keys);
		const all = heads.flatMap(({ events }) => events);
		const discarded: Discarded[] = [];
		const taken = claims.takeAll(all, keys, whole, (place, destination, order, reason) => {
			const person = heads.flatMap(({ person, events }) => events.map(() => person))[place] ?? "";
			const at = { site, name: destination };
			const key = giveWay(at, person, order.order);
			if (key !== undefined) discarded.push({ site, person, key, reason, destination });
			return key !== undefined || claims.isGivenBack(at, person, order);
		});
		let first = 0;
		for (const [index, head] of heads.entries()) {
			const { person, events } = head;
			const bundle = start + index;
			const offset = first;
			first += events.length;
			const routed = routedOf(head, whole);
			if (taken.size > 0)
				for (const [place, each] of routed.entries()) each.route = routeWithout(each.route, taken.get(offset + place));
			const theirs = { person, lanes: lanes.ofPerson(person) };
			const owed = byDestination(routed);
			for (const [name, deliveries] of owed) {
				const destination = idOf(site, name);
				const most = deliveries[0]?.trusted ? undefined : untrustedMost;
				const left = lanes.addEntry(destination, theirs, { bundle, deliveries }, now, most);
				if (left.length > 0) count(destination, discardedFor(tooManyWaiting), left.length);
				for (const { place } of left) {
					const order = orderOf(all, offset + place, keys, whole);
					if (order) claims.giveBack({ site, name }, person, order);
				}
				if (left.length === deliveries.length) owed.delete(name);
			}
			for (const place of taken.size > 0 ? events.keys() : [])
				for (const by of taken.get(offset + place) ?? []) discarded.push({ site, person, ...by });
			if (owed.size > 0) bundles.owe(bundle, owed.size, now);
			else bundles.remove(bundle);
		}
		count(idOf(site, siteItself), "events", all.length);
		for (const { reason, destination = siteItself } of discarded)
			count(idOf(site, destination), discardedFor(reason), 1);
		for (const { destination, reason, count: by } of skipped) count(idOf(site, destination), discardedFor(reason), by);
		run("DELETE FROM journal WHERE id = ?", [row.id ?? null]);
		return { events: all.length, discarded: discarded.slice(-discardedTold) };
	}

	return {
		/** Fans out the next journal row; returns undefined if there is none. */
		fanOut(now: number): FannedOut | undefined {
			const row = journal.next();
			if (!row) return undefined;
			journal.moveOn(row);
			return fanOutRow(row, now);
		},

		/** Sets the next journal row aside, with the reason, until the store is opened again. */
		setAside(reason: string): void {
			const row = journal.next();
			if (!row) return;
			run("UPDATE journal SET stuck = ? WHERE id = ?", [reason, row.id ?? null]);
			journal.moveOn(row);
		},
	};
}
