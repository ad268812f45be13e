import { byDestination, type Routed } from "../deliveries.ts";
import { type Head, routedOf } from "../journal-row.ts";
import { discardedTold } from "../limits.ts";
import type { Discarded } from "../outbox.ts";
import { discardedFor, siteItself, tooManyWaiting } from "../tally.ts";
import { bodiesOf, bundleId, removeBundles, shareBundles } from "./bundles.ts";
import { claimsOf, type KeyedClaim, loadClaims } from "./claims.ts";
import type { Row, Run } from "./connection.ts";
import type { Counts } from "./counters.ts";
import { addEntries, type NewEntry, roomForUntrusted } from "./lanes.ts";
import { tryLockWriting } from "./schema.ts";
import type { Shared } from "./shared.ts";
import { storable } from "./text.ts";

/** The result of the fan-out of some batches. */
export interface FannedOut {
	/** Number of batches; 0 if the journal is empty. */
	batches: number;
	/** True if another process fans out now. Waiting for it would block a connection that requests need. */
	isBusy: boolean;
	discarded: Discarded[];
}

interface Event extends Routed {
	claims: KeyedClaim[];
}
/** A bundle: consecutive events of a batch that belong to one person. */
interface Bundle {
	site: string;
	person: string;
	batch: number;
	place: number;
	events: Event[];
}
/** A bundle, and the deliveries of its events, by destination. */
interface Owed extends Bundle {
	parts: (Omit<NewEntry, "isShared"> & { name: string })[];
}
/** An event that was discarded: its bundle, and its line in the bundle. */
type DiscardedLine = Bundle & { line: number; reason: string };

function bundlesOf({ id, head: text, keys }: Row): { bundles: Bundle[]; head: Head } {
	const head = JSON.parse(String(text)) as Head;
	const claims = claimsOf(
		head.bundles.flatMap(({ events }) => events),
		head.terms,
		keys as Buffer,
	).values();
	const bundles = head.bundles.map((bundle, place) => ({
		site: head.site,
		person: bundle.person,
		batch: Number(id),
		place,
		events: routedOf(bundle, head.routes).map((event) => ({ ...event, claims: claims.next().value ?? [] })),
	}));
	return { bundles, head };
}

/** Makes the fan-out, which turns journal rows into entries of lanes and discards events whose claims are taken. */
export function createFanOut({ database: { run, transaction }, destinations, counters, notice }: Shared) {
	/**
	 * Returns the entries for bundles, the bundles that no lane owes, and the bundles that several lanes owe. Counts the
	 * deliveries that are discarded because too many wait.
	 */
	async function entriesOf(run: Run, bundles: readonly Bundle[], counts: Counts) {
		const owed: Owed[] = [];
		for (const bundle of bundles) {
			const { site, batch, place, events } = bundle;
			const person = storable(bundle.person);
			const parts: Owed["parts"] = [];
			for (const [name, deliveries] of byDestination(events)) {
				const destination = await destinations.id({ site, name });
				parts.push({ name, destination, person, batch, place, deliveries });
			}
			owed.push({ ...bundle, parts });
		}
		const isUntrusted = ({ deliveries }: Owed["parts"][number]) => deliveries[0]?.trusted === false;
		const takeRoom = await roomForUntrusted(run, owed.flatMap(({ parts }) => parts).filter(isUntrusted));
		for (const each of owed) {
			for (const part of each.parts.filter(isUntrusted)) {
				const more = part.deliveries.splice(takeRoom(part, part.deliveries.length));
				counts.add(each.site, part.name, discardedFor(tooManyWaiting), more.length);
			}
			each.parts = each.parts.filter(({ deliveries }) => deliveries.length > 0);
		}
		return {
			entries: owed.flatMap(({ parts }) => parts.map((part): NewEntry => ({ ...part, isShared: parts.length > 1 }))),
			unowed: owed.filter(({ parts }) => parts.length === 0),
			shared: owed
				.filter(({ parts }) => parts.length > 1)
				.map(({ parts, ...each }) => ({ ...each, lanes: parts.length })),
		};
	}

	async function discardedOf(run: Run, lines: readonly DiscardedLine[]): Promise<Discarded[]> {
		const told = lines.slice(-discardedTold);
		const bodies = await bodiesOf(run, told);
		return told.map(({ site, person, reason, line, ...bundle }) => ({
			site,
			person,
			reason,
			body: bodies.get(bundleId(bundle))?.[line] ?? "",
		}));
	}

	async function fanOutRows(run: Run, rows: readonly Row[], now: number): Promise<Discarded[]> {
		const batches = rows.map(bundlesOf);
		const all = batches.flatMap(({ bundles }) => bundles);
		const claims = await loadClaims(
			run,
			all.flatMap(({ events }) => events.flatMap((event) => event.claims)),
		);
		const discardedLines: DiscardedLine[] = [];
		const accepted = all.map((bundle) => {
			const events = bundle.events.filter(({ claims: own, delivery: { place: line } }) => {
				const reason = claims.takeAll(own);
				if (reason !== undefined) discardedLines.push({ ...bundle, line, reason });
				return reason === undefined;
			});
			return { ...bundle, events };
		});
		const counts = counters(run);
		const { entries, unowed, shared } = await entriesOf(run, accepted, counts);
		const discarded = discardedOf(run, discardedLines);
		const done = [claims.save(), addEntries(run, entries, { destinations, counts, now }), shareBundles(run, shared)];
		await Promise.all([...done, discarded.then(() => removeBundles(run, unowed))]);
		void run("DELETE FROM eventferry.journal WHERE id = ANY($1::bigint[])", [rows.map(({ id }) => id)]);
		for (const { bundles, head } of batches) {
			for (const { events } of bundles) counts.add(head.site, siteItself, "events", events.length);
			for (const { destination, reason, count } of head.skipped ?? []) {
				counts.add(head.site, destination, discardedFor(reason), count);
			}
		}
		for (const { site, reason } of discardedLines) counts.add(site, siteItself, discardedFor(reason), 1);
		await counts.save();
		return discarded;
	}

	/** Id of the oldest batch of the last attempt. Another process may have set this batch aside since. */
	let oldest: unknown;

	return {
		/** Fans out the oldest batches, with about `most` events. */
		fanOut(now: number, most: number): Promise<FannedOut> {
			return transaction(async (run) => {
				const lock = run(tryLockWriting);
				const rows = await run(
					`SELECT id, head, keys FROM (
						SELECT *, sum(events) OVER (ORDER BY id) - events AS before
						FROM (SELECT * FROM eventferry.journal WHERE stuck IS NULL ORDER BY id LIMIT $1) AS oldest
					) AS counted WHERE before < $1 ORDER BY id`,
					[most],
				);
				const isBusy = (await lock)[0]?.is_ours !== true;
				oldest = rows[0]?.id;
				if (isBusy || rows.length === 0) return { batches: 0, isBusy, discarded: [] };
				const discarded = await fanOutRows(run, rows, now);
				await run(`SELECT ${notice}`);
				return { batches: rows.length, isBusy, discarded };
			});
		},

		/** Sets the oldest batch of the last attempt aside, with the reason, until a process opens the store. */
		async setAside(reason: string): Promise<void> {
			await run("UPDATE eventferry.journal SET stuck = $1 WHERE id = $2", [storable(reason), oldest]);
		},

		/** Puts the batches that were set aside back into fan-out. */
		async retryStuck(): Promise<void> {
			await run("UPDATE eventferry.journal SET stuck = NULL WHERE stuck IS NOT NULL");
		},
	};
}
