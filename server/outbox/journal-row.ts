import { transcode } from "node:buffer";
import type { Batch, Claim, Exceptions, NewEvent } from "./batch.ts";
import { keyBytes, writeKey } from "./claim-key.ts";
import { flagsOf, isTrusted, type Routed, readFlags } from "./deliveries.ts";

/**
 * A row of the journal, the table of the batches that are not fanned out yet. `append` stores a batch as one row;
 * fan-out later turns it into entries of lanes. The row is made before it is handed to the store: SQLite's thread gets
 * one text and one buffer instead of many objects.
 */
export interface JournalRow {
	site: string;
	/** {@link Head} as JSON. */
	head: string;
	/** Keys of the claims, 16 bytes each, in the order of the events; then the bodies of each bundle, joined by newlines. */
	bytes: Uint8Array<ArrayBuffer>;
	bundles: { person: string; events: number; bytes: number }[];
	/** True if all events are trusted. */
	trusted: boolean;
}

/** The part of a journal row that fan-out parses. */
export interface Head {
	site: string;
	/** Lists of destinations; events refer to them by index. */
	routes: string[][];
	/** Facts that differ at some destinations of a route, by the index of the route. */
	exceptions?: Record<number, Exceptions>;
	/** Terms of claims; events refer to them by index. */
	terms: Term[];
	bundles: BundleHead[];
	skipped?: NonNullable<Batch["skipped"]>;
}

/** A bundle: consecutive events of a batch with one person and one trust. Their bodies are stored together, once. */
interface BundleHead {
	person: string;
	events: EventHead[];
}

/** Rank, flags (see `deliveries.ts`), index of the route, and indexes of the terms of the claims. */
export type EventHead = [rank: number, flags: number, route: number, ...terms: number[]];

/** A claim without its key. */
export type Term = Omit<Claim, "key" | "cluster">;

const isSameRoute = (a: string[], b: string[]) => a.length === b.length && a.every((name, place) => name === b[place]);
const isSameTerm = (a: Term, b: Claim) =>
	a.until === b.until &&
	a.at === b.at &&
	a.since === b.since &&
	a.reason === b.reason &&
	a.ofPerson === b.ofPerson &&
	a.isOnlyChecked === b.isOnlyChecked &&
	a.replaces === b.replaces &&
	a.isReplaceable === b.isReplaceable &&
	a.destination === b.destination;

const texts = new WeakMap<Exceptions, string>();
/** Returns exceptions as JSON, once for each object: events of one kind share it. */
function textOf(exceptions: Exceptions): string {
	const text = texts.get(exceptions) ?? JSON.stringify(exceptions);
	texts.set(exceptions, text);
	return text;
}

/**
 * Returns the index of an event's route, which is added with its exceptions if it is new. Searches from the end: the
 * last route is the likeliest.
 */
function indexOfRoute(head: Head, { destinations, exceptions }: NewEvent): number {
	const isAlike = (own: Exceptions | undefined) =>
		own === exceptions || (own && exceptions && textOf(own) === textOf(exceptions));
	const identical = head.routes.findLastIndex(
		(each, place) => each === destinations && head.exceptions?.[place] === exceptions,
	);
	if (identical >= 0) return identical;
	const index = head.routes.findLastIndex(
		(each, place) => isSameRoute(each, destinations) && isAlike(head.exceptions?.[place]),
	);
	if (index >= 0) return index;
	const added = head.routes.push(destinations) - 1;
	if (exceptions) head.exceptions = { ...head.exceptions, [added]: exceptions };
	return added;
}

function indexOfTerm(terms: Term[], claim: Claim): number {
	const index = terms.findLastIndex((term) => isSameTerm(term, claim));
	if (index >= 0) return index;
	const { reason, at, since, until, ofPerson, isOnlyChecked, replaces, isReplaceable, destination } = claim;
	const flags = {
		...(ofPerson && { ofPerson }),
		...(isOnlyChecked && { isOnlyChecked }),
		...(replaces && { replaces }),
		...(isReplaceable && { isReplaceable }),
	};
	return terms.push({ reason, at, since, until, ...flags, ...(destination !== undefined && { destination }) }) - 1;
}

const newline = Buffer.from("\n");

/** Encodes text as UTF-8. The way through UTF-16 takes a third of the time of `Buffer.from`. */
function encode(text: string): Uint8Array {
	return text.isWellFormed() ? transcode(Buffer.from(text, "utf16le"), "utf16le", "utf8") : Buffer.from(text);
}

function encodeLines(lines: (string | Uint8Array)[]): Uint8Array {
	if (lines.every((line) => typeof line === "string")) return encode(lines.join("\n"));
	const parts = lines.flatMap((line) => [newline, typeof line === "string" ? encode(line) : line]);
	return Buffer.concat(parts.slice(1));
}

const hasNewline = (line: string | Uint8Array) => (typeof line === "string" ? line.includes("\n") : line.includes(10));

const bodiesBytes = ({ bundles }: Pick<JournalRow, "bundles">) => bundles.reduce((sum, { bytes }) => sum + bytes, 0);

/** Returns the offset of the bodies in the bytes of a row. */
export const bodiesStart = (row: JournalRow): number => row.bytes.length - bodiesBytes(row);

/** Seals a batch: turns it into a journal row. Throws a TypeError for a body of more than one line. */
export function sealBatch({ site, events, skipped }: Batch): JournalRow {
	const head: Head = { site, routes: [], terms: [], bundles: [], ...(skipped && { skipped }) };
	const lines: NewEvent["body"][][] = [];
	let claims = 0;
	let lastTrust: number | undefined;
	for (const each of events) {
		const { person, body, rank, reserved, trusted, alone, claims: own } = each;
		const trust = (reserved ? 1 : 0) + (trusted ? 2 : 0);
		if (hasNewline(body)) throw new TypeError("an event's body must be one line");
		let bundle = head.bundles.at(-1);
		if (bundle?.person !== person || trust !== lastTrust) {
			bundle = { person, events: [] };
			head.bundles.push(bundle);
			lines.push([]);
		}
		lastTrust = trust;
		lines.at(-1)?.push(body);
		const event: EventHead = [rank, flagsOf({ reserved, trusted, alone }), indexOfRoute(head, each)];
		for (const claim of own) event.push(indexOfTerm(head.terms, claim));
		bundle.events.push(event);
		claims += own.length;
	}
	const bodies = lines.map(encodeLines);
	const bundles = head.bundles.map(({ person, events }, index) => ({
		person,
		events: events.length,
		bytes: bodies[index]?.length ?? 0,
	}));
	// Outside Node's buffer pool: posting a part of the pool to a thread would clone all of it.
	const bytes = Buffer.allocUnsafeSlow(claims * keyBytes + bodiesBytes({ bundles }));
	let offset = 0;
	for (const { person, claims: own } of events) {
		for (const claim of own) offset += writeKey(site, person, claim, bytes, offset);
	}
	for (const each of bodies) {
		bytes.set(each, offset);
		offset += each.length;
	}
	return { site, head: JSON.stringify(head), bytes, bundles, trusted: events.every(({ trusted }) => trusted) };
}

/** Seals a batch, unless it is sealed. */
export const sealed = (batch: Batch | JournalRow): JournalRow => ("head" in batch ? batch : sealBatch(batch));

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

export const routedOf = (
	{ events }: BundleHead,
	{ routes, exceptions }: Pick<Head, "routes" | "exceptions">,
): Routed[] =>
	events.map(([rank, flags, route], place) => ({
		delivery: { place, rank, ...readFlags(flags) },
		route: routes[route] ?? [],
		exceptions: exceptions?.[route],
	}));

export const countEvents = ({ bundles }: Head): number => bundles.reduce((sum, { events }) => sum + events.length, 0);

/** Reads the head of a stored row; returns undefined if it cannot be read, for which a batch was set aside. */
export function readHead(text: unknown): Head | undefined {
	try {
		const head = JSON.parse(String(text)) as Head;
		return Number.isNaN(countEvents(head)) ? undefined : head;
	} catch {
		return undefined;
	}
}

/** A journal row without the events of some people, and facts about the removed events. */
export interface Remainder {
	head: Head;
	/** Keys of the claims of the events that stay. */
	keys: Buffer;
	/** Number of events removed. */
	events: number;
	/** Destination of each delivery removed. */
	owed: string[];
	/** Claims to take, so that a late copy of an event is discarded: all but the people's own. */
	lasting: { key: Buffer; term: Term; trusted: boolean }[];
	/** Places of the bundles removed. An empty bundle replaces each, so that later bundles keep their numbers. */
	places: number[];
}

export function withoutPeople(head: Head, keys: Buffer, people: ReadonlySet<string>): Remainder {
	const removed: Omit<Remainder, "head" | "keys"> = { events: 0, owed: [], lasting: [], places: [] };
	const othersKeys: Buffer[] = [];
	let offset = 0;
	const bundles = head.bundles.map((bundle, place) => {
		const isTheirs = people.has(bundle.person);
		for (const [, flags, route, ...terms] of bundle.events) {
			if (isTheirs) removed.owed.push(...(head.routes[route] ?? []));
			for (const term of terms.map((each) => head.terms[each])) {
				const key = keys.subarray(offset, offset + keyBytes);
				offset += keyBytes;
				if (!isTheirs) othersKeys.push(key);
				else if (term && !term.ofPerson) removed.lasting.push({ key, term, trusted: isTrusted(flags) });
			}
		}
		if (!isTheirs) return bundle;
		removed.events += bundle.events.length;
		removed.places.push(place);
		return { person: "", events: [] };
	});
	return { head: { ...head, bundles }, keys: Buffer.concat(othersKeys), ...removed };
}
