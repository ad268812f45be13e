import { transcode } from "node:buffer";
import type { Batch, Claim, NewEvent } from "./batch.ts";
import { keyBytes, writeKey } from "./claim-key.ts";
import { flagsOf, type Routed, readFlags } from "./deliveries.ts";

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
const isSameTerm = (a: Term, b: Claim) =>
	a.until === b.until && a.at === b.at && a.since === b.since && a.reason === b.reason && a.ofPerson === b.ofPerson;

/** Where a route is in a list, to which it is added if it is not there. The lists are short, and the last is the likeliest. */
function placeOfRoute(routes: string[][], route: string[]): number {
	for (let place = routes.length - 1; place >= 0; place -= 1) if (isSameRoute(routes[place] ?? [], route)) return place;
	return routes.push(route) - 1;
}

function placeOfTerm(terms: Term[], claim: Claim): number {
	for (let place = terms.length - 1; place >= 0; place -= 1) {
		const term = terms[place];
		if (term && isSameTerm(term, claim)) return place;
	}
	const { reason, at, since, until, ofPerson } = claim;
	return terms.push({ reason, at, since, until, ...(ofPerson && { ofPerson }) }) - 1;
}

const newline = Buffer.from("\n");

/** As UTF-8. By way of UTF-16, into which it is merely copied: a third of what `Buffer.from` takes. */
function encode(text: string): Uint8Array {
	return text.isWellFormed() ? transcode(Buffer.from(text, "utf16le"), "utf16le", "utf8") : Buffer.from(text);
}

/** Lines of text or of UTF-8, as one. */
function encodeLines(lines: (string | Uint8Array)[]): Uint8Array {
	if (lines.every((line) => typeof line === "string")) return encode(lines.join("\n"));
	const parts = lines.flatMap((line) => [newline, typeof line === "string" ? encode(line) : line]);
	return Buffer.concat(parts.slice(1));
}

const hasNewline = (line: string | Uint8Array) => (typeof line === "string" ? line.includes("\n") : line.includes(10));

const bodiesBytes = ({ bundles }: Pick<JournalRow, "bundles">) => bundles.reduce((sum, { bytes }) => sum + bytes, 0);

/** Where in a row's bytes the keys end, and the bodies begin. */
export const bodiesStart = (row: JournalRow): number => row.bytes.length - bodiesBytes(row);

/** Throws TypeError where a body is more than one line. */
export function sealBatch({ site, events, skipped }: Batch): JournalRow {
	const head: Head = { site, routes: [], terms: [], bundles: [], ...(skipped && { skipped }) };
	const lines: NewEvent["body"][][] = [];
	let claims = 0;
	for (const { person, body, rank, reserved, alone, destinations, claims: own } of events) {
		if (hasNewline(body)) throw new TypeError("an event's body must be one line");
		let bundle = head.bundles.at(-1);
		if (bundle?.person !== person) {
			bundle = { person, events: [] };
			head.bundles.push(bundle);
			lines.push([]);
		}
		lines.at(-1)?.push(body);
		const event: EventHead = [rank, flagsOf({ reserved, alone }), placeOfRoute(head.routes, destinations)];
		for (const claim of own) event.push(placeOfTerm(head.terms, claim));
		bundle.events.push(event);
		claims += own.length;
	}
	const bodies = lines.map(encodeLines);
	const bundles = head.bundles.map(({ person, events }, index) => ({
		person,
		events: events.length,
		bytes: bodies[index]?.length ?? 0,
	}));
	// Not from Node's pool, which would be cloned as a whole where this is handed to a thread.
	const bytes = Buffer.allocUnsafeSlow(claims * keyBytes + bodiesBytes({ bundles }));
	let offset = 0;
	for (const { person, claims: own } of events) {
		for (const claim of own) offset += writeKey(site, person, claim, bytes, offset);
	}
	for (const each of bodies) {
		bytes.set(each, offset);
		offset += each.length;
	}
	return { site, head: JSON.stringify(head), bytes, bundles };
}

/** A batch as it goes into the journal, whether it was sealed before or not. */
export const sealed = (batch: Batch | JournalRow): JournalRow => ("head" in batch ? batch : sealBatch(batch));

/** The events of a row, as far as it has them as they were. */
export function eventsIn(row: JournalRow): (Pick<NewEvent, "person" | "destinations"> & { body: string })[] {
	const { routes, bundles } = JSON.parse(row.head) as Head;
	const bytes = Buffer.from(row.bytes.buffer, row.bytes.byteOffset, row.bytes.length);
	let start = bodiesStart(row);
	return bundles.flatMap(({ person, events }, index) => {
		const end = start + (row.bundles[index]?.bytes ?? 0);
		const bodies = bytes.toString("utf8", start, end).split("\n");
		start = end;
		return events.map(([, , route], place) => ({
			person,
			body: bodies[place] ?? "",
			destinations: routes[route] ?? [],
		}));
	});
}

/** Reads the deliveries that the events of a bundle ask for, and where each goes. */
export const routedOf = ({ events }: BundleHead, routes: string[][]): Routed[] =>
	events.map(([rank, flags, route], place) => ({
		delivery: { place, rank, ...readFlags(flags) },
		route: routes[route] ?? [],
	}));

/** Counts the events of a row by its head. */
export const countEvents = ({ bundles }: Head): number => bundles.reduce((sum, { events }) => sum + events.length, 0);

/** A row without the events of some people, and what was known of those events. */
export interface Remainder {
	head: Head;
	keys: Buffer;
	/** Number of events taken out. */
	events: number;
	/** Destinations of the events taken out, one for each delivery. */
	owed: string[];
	/** Claims of the events taken out, except the people's own: a copy of an event may still be on its way. */
	lasting: { key: Buffer; term: Term }[];
	/** Places of the bundles taken out; empty ones stand there now, as bundles are numbered by their place. */
	places: number[];
}

/** Takes people's events out of a journal row, given its head and the keys of its claims. */
export function withoutPeople(head: Head, keys: Buffer, people: ReadonlySet<string>): Remainder {
	const left: Omit<Remainder, "head" | "keys"> = { events: 0, owed: [], lasting: [], places: [] };
	const othersKeys: Buffer[] = [];
	let offset = 0;
	const bundles = head.bundles.map((bundle, place) => {
		const isTheirs = people.has(bundle.person);
		for (const [, , route, ...terms] of bundle.events) {
			if (isTheirs) left.owed.push(...(head.routes[route] ?? []));
			for (const term of terms.map((each) => head.terms[each])) {
				const key = keys.subarray(offset, offset + keyBytes);
				offset += keyBytes;
				if (!isTheirs) othersKeys.push(key);
				else if (term && !term.ofPerson) left.lasting.push({ key, term });
			}
		}
		if (!isTheirs) return bundle;
		left.events += bundle.events.length;
		left.places.push(place);
		return { person: "", events: [] };
	});
	return { head: { ...head, bundles }, keys: Buffer.concat(othersKeys), ...left };
}
