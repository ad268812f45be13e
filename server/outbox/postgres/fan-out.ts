import { byDestination, type Routed } from "../deliveries.ts";
import { batchFailure } from "../errors.ts";
import { type Head, routedOf } from "../journal-row.ts";
import { discardedTold } from "../limits.ts";
import type { Discarded } from "../outbox.ts";
import { givenBack } from "../purchase.ts";
import { routeWithout, takeClaims, unwantedBy } from "../take-claims.ts";
import { discardedFor, siteItself, tooManyWaiting } from "../tally.ts";
import { removeBundles, shareBundles } from "./bundles.ts";
import { type Claims, claimsOf, type KeyedClaim, keyed, loadClaims } from "./claims.ts";
import { codeOf, type Row, type Run } from "./connection.ts";
import type { Counts } from "./counters.ts";
import { addEntries, type NewEntry, roomInLanes } from "./lanes.ts";
import { findPurchases } from "./replace.ts";
import { tryLockWriting } from "./schema.ts";
import type { Shared } from "./shared.ts";
import { storable } from "./text.ts";

/** The result of the fan-out of some batches. */
export interface FannedOut {
	/** Number of batches; 0 if the journal is empty. */
	batches: number;
	/** True if another transaction has the lock. Waiting for it would block a connection that requests need. */
	isBusy: boolean;
	discarded: Discarded[];
	/** Number of events up to a batch that was left out, as it must see what those before it have written. */
	cutAt?: number;
	/** Failure for which the only batch was set aside. */
	setAside?: { error: Error; reason: string };
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

/** Recognises a failure that a batch causes itself, because it cannot be read or stored. */
export function isOfBatch(error: unknown): error is Error {
	if (error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError) return true;
	// Data exceptions, violated constraints, limits: https://www.postgresql.org/docs/current/errcodes-appendix.html
	return error instanceof Error && /^(22|23|54)/.test(codeOf(error) ?? "");
}

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
		events: routedOf(bundle, head).map((event) => ({ ...event, claims: claims.next().value ?? [] })),
	}));
	return { bundles, head };
}

type Batch = ReturnType<typeof bundlesOf>;

/** Makes the claim by which the order of another claim is given back at a destination. */
const givenBackAt = ({ site, person }: Bundle, { key: order, at }: KeyedClaim, name: string): KeyedClaim =>
	keyed(site, person, givenBack({ order, at }, name));

const eventsOf = ({ bundles }: { bundles: readonly Bundle[] }): Event[] => bundles.flatMap(({ events }) => events);

/** Tells whether a batch has purchases that may replace others. */
const mayReplace = ({ head }: Batch): boolean => head.terms.some(({ replaces }) => replaces);

/** Leaves out the first batch with a purchase that may replace one of an earlier batch, and all after it. */
function beforeReplacing(batches: readonly Batch[]): readonly Batch[] {
	if (!batches.some(mayReplace)) return batches;
	const untrusted = new Set<string>();
	const end = batches.findIndex((batch) => {
		const claims = eventsOf(batch).flatMap((event) => event.claims);
		const isBehind = claims.some(({ key, replaces }) => replaces && untrusted.has(key));
		for (const { key, trusted } of claims) if (!trusted) untrusted.add(key);
		return isBehind;
	});
	return end < 0 ? batches : batches.slice(0, end);
}

/** SQL that reads the oldest batches, with about `$1` events. */
const oldest = `SELECT id, head, keys FROM (
	SELECT *, sum(events) OVER (ORDER BY id) - events AS before
	FROM (SELECT * FROM eventferry.journal WHERE stuck IS NULL ORDER BY id LIMIT $1) AS first
) AS counted WHERE before < $1 ORDER BY id`;

/** Makes the fan-out, which turns journal rows into entries of lanes and discards events whose claims are taken. */
export function createFanOut({ database: { run, transaction }, destinations, counters, notice, owner }: Shared) {
	/**
	 * Returns the entries for bundles, the bundles that no lane owes, and the bundles that several lanes owe. Counts the
	 * deliveries that are discarded because too many wait, and gives their orders back.
	 */
	async function entriesOf(run: Run, bundles: readonly Bundle[], claims: Claims, counts: Counts) {
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
		const takeRoom = await roomInLanes(
			run,
			owed.flatMap(({ parts }) => parts),
		);
		for (const each of owed) {
			for (const part of each.parts) {
				const fitting = takeRoom(part, part.deliveries);
				const isFull = fitting.length < part.deliveries.length;
				const left = isFull ? part.deliveries.filter((delivery) => !fitting.includes(delivery)) : [];
				counts.add(each.site, part.name, discardedFor(tooManyWaiting), left.length);
				const lost = left.flatMap(({ place }) => each.events[place]?.claims.filter((own) => own.isReplaceable) ?? []);
				for (const claim of lost) claims.set(givenBackAt(each, claim, part.name));
				part.deliveries = fitting;
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

	/**
	 * Finds the purchases that wait, and the orders that were given back, where purchases of these bundles may replace
	 * others; undefined if none may.
	 */
	async function findReplaced(run: Run, bundles: readonly Bundle[], { isUntrusted }: Pick<Claims, "isUntrusted">) {
		const all = eventsOf({ bundles }).flatMap(({ claims }) => claims);
		const untrusted = new Set(all.filter(({ trusted }) => !trusted).map(({ key }) => key));
		const isContested = (claim: KeyedClaim) => claim.replaces && (isUntrusted(claim) || untrusted.has(claim.key));
		const contested = bundles.filter(({ events }) => events.some(({ claims }) => claims.some(isContested)));
		if (contested.length === 0) return undefined;
		const placesOf = async ({ site, person, events }: Bundle) =>
			[...new Set(events.flatMap(({ route }) => route))].map(async (name) => {
				return { site, name, person, destination: await destinations.id({ site, name }) };
			});
		const places = async (some: readonly Bundle[]) => Promise.all((await Promise.all(some.map(placesOf))).flat());
		const everyone = (await places(bundles)).map((place) => ({ ...place, person: storable(place.person) }));
		const waiting = await findPurchases(run, await places(contested), everyone, { destinations, owner });
		// Read once the lanes are locked, so that no purchase is discarded between the two.
		const back = await loadClaims(
			run,
			contested.flatMap((bundle) =>
				bundle.events.flatMap(({ claims, route }) =>
					claims.filter(isContested).flatMap((claim) => route.map((name) => givenBackAt(bundle, claim, name))),
				),
			),
		);
		return { ...waiting, isGivenBack: back.isTaken };
	}

	/** Fans batches out, up to one that must see what those before it have written. */
	async function fanOutRows(run: Run, rows: readonly Row[], now: number): Promise<Omit<FannedOut, "isBusy">> {
		const batches = beforeReplacing(rows.map(bundlesOf));
		const all = batches.flatMap(({ bundles }) => bundles);
		const claims = await loadClaims(
			run,
			all.flatMap(({ events }) => events.flatMap((event) => event.claims)),
		);
		const discarded: Discarded[] = [];
		const replaced = batches.some(mayReplace) ? await findReplaced(run, all, claims) : undefined;
		const replacingFor = (bundle: Bundle, route: readonly string[]) =>
			replaced && {
				...claims,
				route,
				giveWay(claim: KeyedClaim, destination: string): boolean {
					const { site, person } = bundle;
					const key = replaced.giveWay({ site, name: destination, person }, claim.key);
					if (key !== undefined) discarded.push({ site, person, key, reason: claim.reason, destination });
					return key !== undefined || replaced.isGivenBack(givenBackAt(bundle, claim, destination));
				},
			};
		const accepted = all.map((bundle) => {
			const { site, person } = bundle;
			const events = bundle.events.map((event) => {
				const { claims: own, route } = event;
				const taken = takeClaims(own, claims, replacingFor(bundle, route));
				const unwanted = unwantedBy(taken, own[0]?.key ?? "", route);
				for (const each of unwanted) discarded.push({ site, person, ...each });
				return { ...event, route: routeWithout(route, unwanted) };
			});
			return { ...bundle, events };
		});
		const counts = counters(run);
		await replaced?.save(counts);
		const { entries, unowed, shared } = await entriesOf(run, accepted, claims, counts);
		await Promise.all([
			claims.save(),
			addEntries(run, entries, { destinations, counts, now, owner }),
			shareBundles(run, shared),
			removeBundles(run, unowed),
		]);
		void run("DELETE FROM eventferry.journal WHERE id = ANY($1::bigint[])", [
			rows.slice(0, batches.length).map(({ id }) => id),
		]);
		for (const { bundles, head } of batches) {
			for (const { events } of bundles) counts.add(head.site, siteItself, "events", events.length);
			for (const { destination, reason, count } of head.skipped ?? []) {
				counts.add(head.site, destination, discardedFor(reason), count);
			}
		}
		for (const { site, reason, destination = siteItself } of discarded)
			counts.add(site, destination, discardedFor(reason), 1);
		await counts.save();
		return {
			batches: batches.length,
			discarded: discarded.slice(-discardedTold),
			...(batches.length < rows.length && { cutAt: eventsOf({ bundles: all }).length }),
		};
	}

	return {
		/**
		 * Fans out the oldest batches, with about `most` events. Sets aside a batch that was tried alone and failed by itself.
		 */
		async fanOut(now: number, most: number): Promise<FannedOut> {
			let failed: { row: Row | undefined; error: Error } | undefined;
			try {
				return await transaction(async (run) => {
					const [lock] = await run(tryLockWriting);
					const isBusy = lock?.is_ours !== true;
					const rows = isBusy ? [] : await run(oldest, [most]);
					if (rows.length === 0) return { batches: 0, isBusy, discarded: [] };
					const fannedOut = await fanOutRows(run, rows, now).catch((error) => {
						if (rows.length === 1 && isOfBatch(error)) failed = { row: rows[0], error };
						throw error;
					});
					await run(`SELECT ${notice}`);
					return { ...fannedOut, isBusy };
				});
			} catch (error) {
				if (!failed) throw error;
				const { row, error: cause } = failed;
				const setAside = { error: cause, reason: batchFailure(cause) };
				// Another process may have changed the batch since.
				await run("UPDATE eventferry.journal SET stuck = $1 WHERE id = $2 AND head = $3", [
					storable(setAside.reason),
					row?.id,
					row?.head,
				]);
				return { batches: 0, isBusy: false, discarded: [], setAside };
			}
		},

		/** Finds out whether the journal has batches to fan out. */
		async isWaiting(): Promise<boolean> {
			const rows = await run("SELECT id FROM eventferry.journal WHERE stuck IS NULL ORDER BY id LIMIT 1");
			return rows.length > 0;
		},
	};
}
