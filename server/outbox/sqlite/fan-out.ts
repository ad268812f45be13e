import { byDestination } from "../deliveries.ts";
import { type Head, routedOf } from "../journal-row.ts";
import { discardedTold } from "../limits.ts";
import type { Discarded } from "../outbox.ts";
import { discardedFor, siteItself } from "../tally.ts";
import type { Journal } from "./journal.ts";
import type { Lanes } from "./lanes.ts";
import type { Shared } from "./shared.ts";
import { bytesOf, type Row } from "./statements.ts";

/** The result of the fan-out of one journal row. */
export interface FannedOut {
	events: number;
	/** Up to 100 events that were discarded. */
	discarded: Discarded[];
}

/** Makes the fan-out, which turns journal rows into entries of lanes and discards events whose claims are held. */
export function createFanOut(
	{ statements: { run, get }, destinations: { idOf }, counters: { count }, bundles, claims }: Shared,
	{ changeWaiting, foundEmpty }: Journal,
	{ owe }: Lanes,
) {
	function fanOutRow(id: number, row: Row, now: number): FannedOut {
		const { site, routes, terms, bundles: heads, skipped = [] } = JSON.parse(String(row.head)) as Head;
		const keys = bytesOf(row.keys);
		const all = heads.flatMap(({ events }) => events);
		const held = claims.takeAll(all, keys, terms);
		const discarded: Discarded[] = [];
		let first = 0;
		for (const [index, head] of heads.entries()) {
			const { person, events } = head;
			const bundle = id + index;
			const offset = first;
			first += events.length;
			const owed = byDestination(routedOf(head, routes).filter((_, place) => !held.has(offset + place)));
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
		for (const { reason } of held.values()) count(itself, discardedFor(reason), 1);
		for (const { destination, reason, count: by } of skipped) count(idOf(site, destination), discardedFor(reason), by);
		run("DELETE FROM journal WHERE id = ?", id);
		return { events: all.length, discarded: discarded.slice(-discardedTold) };
	}

	return {
		/** Fans out the oldest journal row; returns undefined if there is none. */
		fanOut(now: number): FannedOut | undefined {
			const row = get("SELECT id, head, keys FROM journal WHERE stuck IS NULL ORDER BY id LIMIT 1");
			if (!row) {
				foundEmpty();
				return undefined;
			}
			changeWaiting(-1);
			return fanOutRow(Number(row.id), row, now);
		},

		/** Keeps the oldest journal row out of the way of the others, with why. */
		setAside(reason: string): void {
			run("UPDATE journal SET stuck = ? WHERE id = (SELECT min(id) FROM journal WHERE stuck IS NULL)", reason);
			changeWaiting(-1);
		},
	};
}
