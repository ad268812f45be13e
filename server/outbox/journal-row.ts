import { keyBytes, writeKey } from "./claim-key.ts";
import { flagsOf } from "./deliveries.ts";
import type { Batch, Claim } from "./outbox.ts";

/**
 * A batch as it is put into the journal: a head that fan-out reads, and bytes that it only copies. Sealed by
 * whoever appends, so that the store's thread is handed one text and one buffer and need not look into the events.
 */
export interface JournalRow {
	site: string;
	/** {@link Head} as JSON. */
	head: string;
	/** The keys of the claims, in the order of the events, and then the bodies, bundle after bundle, a line each. */
	bytes: Uint8Array<ArrayBuffer>;
	bundles: { person: string; events: number; bytes: number }[];
}

export interface Head {
	site: string;
	/** Lists of destinations, which events name by their place. */
	routes: string[][];
	/** What claims say beside their keys, which events name by its place. */
	terms: Term[];
	bundles: BundleHead[];
	skipped?: NonNullable<Batch["skipped"]>;
}

/** Events of a batch that follow each other and are one person's. */
interface BundleHead {
	person: string;
	events: EventHead[];
}

/** Rank, flags as `deliveries.ts` has them, the place of its route, and those of its claims' terms. */
export type EventHead = [rank: number, flags: number, route: number, ...terms: number[]];

export type Term = Pick<Claim, "reason" | "at" | "since" | "until" | "ofPerson">;

const isSameRoute = (a: string[], b: string[]) => a.length === b.length && a.every((name, place) => name === b[place]);
const isSameTerm = (a: Term, b: Term) =>
	a.until === b.until && a.at === b.at && a.since === b.since && a.reason === b.reason && a.ofPerson === b.ofPerson;

/** Where a value is in a list, to which it is added if it is not there. The lists are short, and the last is the likeliest. */
function placeOf<Value>(list: Value[], value: Value, isSame: (a: Value, b: Value) => boolean): number {
	const found = list.findLastIndex((each) => isSame(each, value));
	return found < 0 ? list.push(value) - 1 : found;
}

/** Throws TypeError where a body is more than one line. */
export function sealBatch({ site, events, skipped }: Batch): JournalRow {
	const head: Head = { site, routes: [], terms: [], bundles: [], ...(skipped && { skipped }) };
	const texts: string[] = [];
	let claims = 0;
	for (const { person, body, rank, reserved, alone, destinations, claims: own } of events) {
		if (body.includes("\n")) throw new TypeError("an event's body must be one line");
		let bundle = head.bundles.at(-1);
		if (bundle?.person === person) texts[texts.length - 1] += `\n${body}`;
		else {
			bundle = { person, events: [] };
			head.bundles.push(bundle);
			texts.push(body);
		}
		const terms = own.map(({ reason, at, since, until, ofPerson }) =>
			placeOf(head.terms, { reason, at, since, until, ...(ofPerson && { ofPerson }) }, isSameTerm),
		);
		bundle.events.push([rank, flagsOf({ reserved, alone }), placeOf(head.routes, destinations, isSameRoute), ...terms]);
		claims += own.length;
	}
	const bundles = head.bundles.map(({ person, events }, index) => ({
		person,
		events: events.length,
		bytes: Buffer.byteLength(texts[index] ?? ""),
	}));
	// Not from Node's pool, which would be cloned as a whole where this is handed to a thread.
	const bytes = Buffer.allocUnsafeSlow(bundles.reduce((sum, bundle) => sum + bundle.bytes, claims * keyBytes));
	let offset = 0;
	for (const { person, claims: own } of events) {
		for (const claim of own) offset += writeKey(site, person, claim, bytes, offset);
	}
	for (const text of texts) offset += bytes.write(text, offset);
	return { site, head: JSON.stringify(head), bytes, bundles };
}
