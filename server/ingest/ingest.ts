import type { Request, RequestHandler, Response } from "express";
import { type BatchReply, batchSchema, eventsSchema, type Rejection } from "../../shared/wire.ts";
import type { CheckedSite } from "../config/config.ts";
import type { ReadBodies } from "../http/body-room.ts";
import { cors, originAllowed, preflight } from "../http/origins.ts";
import { parseInput } from "../http/parse-request.ts";
import { RequestError } from "../http/problem.ts";
import { type ByteLimit, createRateLimit, type Guess } from "../http/rate-limit.ts";
import type { Route } from "../http/route.ts";
import { sameSecret } from "../http/secret.ts";
import { backendOnly } from "../http/server-key.ts";
import { type JournalRow, sealBatch } from "../outbox/journal-row.ts";
import type { Batch, NewEvent, Outbox } from "../outbox/outbox.ts";
import { personKey, type StoredEvent, setsAttributes } from "../stored-event.ts";
import { isBot } from "./bots.ts";
import { checkEvent, type Sender } from "./check-event.ts";
import { claimsGivenBack, claimsOfEvent, type OrderAt } from "./claims.ts";
import { type IdentityReader, identityReader } from "./identity-token.ts";
import { postBatch, postEvents } from "./operations.ts";
import { rankOf } from "./rank.ts";
import { type ReadBody, readBody } from "./read-body.ts";
import { storedBody } from "./stored-body.ts";

/** The settings of a site that ingest needs. */
export interface IngestSite
	extends Pick<CheckedSite, "writeKey" | "origins" | "serverKey" | "identity" | "identitySecrets" | "attributes"> {
	/** The name in the store. */
	name: string;
	/** Decides where an event goes, and as what. */
	route(stored: StoredEvent): EventRoute;
}

/** The destinations of an event, and the changes that the site's rules make there. */
export interface EventRoute extends Pick<NewEvent, "destinations" | "exceptions">, Pick<StoredEvent, "ruled"> {
	/** Destinations that would get the event but for a reason, which is counted. */
	skipped: readonly { destination: string; reason: string }[];
	/** Purchases to be told to one destination once. */
	orders?: readonly OrderAt[];
	/** Destinations at which the event stays as it was captured, as no order can be read from it. */
	unreadOrders?: readonly string[];
}

export interface IngestOptions {
	sites: IngestSite[];
	/** Returns the store. Throws `StoreUnavailableError` while there is none. */
	outbox(): Outbox;
	sandbox: boolean;
	/** Counts a request as work that a stop waits for. Throws while the proxy is stopping. */
	admit: RequestHandler;
	/** Refuses addresses that send too many requests. */
	limitAddress: RequestHandler;
	/** Refuses addresses that send too many bytes. */
	limitBytes: ByteLimit;
	/** Requests a minute for one write key. Undefined: no limit. */
	perWriteKey: number | undefined;
	/** Reads bodies of requests, within the proxy's room for them. */
	readBodies: ReadBodies;
	/** Limits wrong guesses of server keys. */
	guess: Guess;
	now(): number;
	/** Called with the result of each batch, for metrics, stats and the console. */
	onNotice(notice: IngestNotice): void;
}

export type IngestNotice =
	/** The accepted events of a batch are on disk. `commitMs` is the time of storing; absent if ingest stored none. */
	| ({ kind: "batch"; site: string; commitMs?: number | undefined } & SealedBatch)
	| { kind: "bots"; events: number }
	/** Calls of another tracker from which no event can be made, by the reason. */
	| { kind: "unused"; reasons: readonly string[] };

export type Ingest = ReturnType<typeof createIngest>;

/** A checked batch: its accepted events as the outbox takes them, and its rejections. */
interface CheckedEvents extends Pick<Batch, "events" | "skipped"> {
	rejected: Rejection[];
	/** Number of purchases that a rule could not make of an event, as no order can be read from it. */
	ordersUnread: number;
	at: number;
}

/**
 * A checked batch, encoded. Holds bytes: long-lived objects would cost the garbage collector more than the checks.
 */
interface SealedBatch extends Pick<CheckedEvents, "rejected" | "ordersUnread" | "at"> {
	accepted: number;
	/** The accepted events. Undefined if there are none. */
	row: JournalRow | undefined;
}

type Pieces = NonNullable<ReadBody["pieces"]>;

/** Clock errors of senders up to this, ms, are not corrected, as network latency looks the same. */
const clockToleranceMs = 60_000;

/** Computes the correction of a sender's capture times, ms, from the time of sending by its clock. */
export function clockOffset(sentAt: number, now: number): number {
	const offset = now - sentAt;
	return Math.abs(offset) > clockToleranceMs ? offset : 0;
}

/**
 * Makes the routes that accept events, `POST /v1/batch` and `POST /v1/events`. Checks all that needs no store, and gives
 * the outbox encoded batches only, so that a bad batch cannot fail the commit that it shares with others.
 */
export function createIngest(options: IngestOptions) {
	const { sites, outbox, sandbox, admit, limitAddress, limitBytes, readBodies, guess, now, onNotice } = options;
	const perWriteKey = options.perWriteKey === undefined ? undefined : createRateLimit(options.perWriteKey);
	const identitiesOf = new Map<IngestSite, IdentityReader>();
	for (const site of sites) {
		if (site.identity === "verified") identitiesOf.set(site, identityReader(site.identitySecrets ?? [], now));
	}

	function check(
		site: IngestSite,
		raw: unknown[],
		sender: Omit<Sender, "attributes" | "now">,
		pieces: Pieces = [],
		reportedBy?: string,
	): CheckedEvents {
		const receivedAt = now();
		const rejected: Rejection[] = [];
		const events: NewEvent[] = [];
		const skipped = new Map<string, NonNullable<Batch["skipped"]>[number]>();
		let ordersUnread = 0;
		const from: Sender = { ...sender, attributes: site.attributes, now: receivedAt };
		for (const [index, each] of raw.entries()) {
			const checked = checkEvent(each, from);
			if ("rejection" in checked) {
				rejected.push(checked.rejection);
				continue;
			}
			const { stored } = checked;
			const person = personKey(stored.event.person);
			if (person === undefined) throw new Error("unreachable: a checked event has a person");
			const { destinations, exceptions, ruled, orders, unreadOrders, ...route } = site.route(stored);
			for (const { destination, reason } of route.skipped) {
				if (destination === reportedBy) continue;
				const counted = skipped.get(`${destination} ${reason}`);
				if (counted) counted.count += 1;
				else skipped.set(`${destination} ${reason}`, { destination, reason, count: 1 });
			}
			ordersUnread += unreadOrders?.length ?? 0;
			if (ruled) stored.ruled = ruled;
			events.push({
				person,
				body: storedBody(stored, each, pieces[index]),
				destinations: reportedBy === undefined ? destinations : destinations.filter((name) => name !== reportedBy),
				exceptions,
				claims: [
					...claimsOfEvent(stored, person, orders),
					...claimsGivenBack(stored, { site: site.name, person, skipped: route.skipped }),
				],
				rank: rankOf(stored.event.type, stored.trusted),
				// Guard (SECURITY.md): reserve-of-backend
				reserved: sender.isBackend,
				trusted: stored.trusted,
				alone: !setsAttributes(stored.event),
			});
		}
		const counted = skipped.size > 0 ? [...skipped.values()] : undefined;
		return { events, skipped: counted, rejected, ordersUnread, at: receivedAt };
	}

	function seal({ name }: IngestSite, { events, skipped, ...rest }: CheckedEvents): SealedBatch {
		const row = events.length > 0 ? sealBatch({ site: name, events, skipped }) : undefined;
		return { accepted: events.length, row, ...rest };
	}

	/** Appends the accepted events of a batch to the journal. Resolves once they are on disk. */
	async function append({ name }: IngestSite, batch: SealedBatch): Promise<BatchReply> {
		const { accepted, row, rejected } = batch;
		const startedAt = performance.now();
		if (row) await outbox().append(row);
		onNotice({ kind: "batch", site: name, ...batch, commitMs: row && performance.now() - startedAt });
		return { accepted, rejected };
	}

	/** Checks and stores events. Not an async function: that would keep the events in memory until they are on disk. */
	const accept = (
		site: IngestSite,
		raw: unknown[],
		sender: Omit<Sender, "attributes" | "now">,
		pieces?: Pieces,
	): Promise<BatchReply> => append(site, seal(site, check(site, raw, sender, pieces)));

	/** Finds the site of a page's batches. Throws for a wrong write key or origin, and for too many batches. */
	function siteOfPage({ headers: { origin } }: Request, writeKey: string, batches = 1): IngestSite {
		// Guard (SECURITY.md): write-key
		const site = sites.find((each) => sameSecret(writeKey, each.writeKey));
		if (!site) throw new RequestError("invalid_write_key", "no site has this write key");
		// Guard (SECURITY.md): origin-of-site
		if (!originAllowed(origin, site.origins, sandbox)) {
			throw new RequestError("origin_not_allowed", "this page's origin is not in the site's `origins`");
		}
		// Guard (SECURITY.md): write-key-limit
		perWriteKey?.count(site.writeKey, batches);
		return site;
	}

	/** Accepts events of a page, unless they are a bot's, which are counted only. Resolves once they are on disk. */
	async function acceptOfPage(
		{ headers }: Request,
		site: IngestSite,
		events: unknown[],
		clockOffset: number,
		pieces?: Pieces,
	): Promise<BatchReply> {
		if (isBot(headers["user-agent"])) {
			onNotice({ kind: "bots", events: events.length });
			return { accepted: 0, rejected: [] };
		}
		// Guard (SECURITY.md): verified-identity
		const identities = await identitiesOf.get(site)?.(events);
		return accept(site, events, { isBackend: false, identities, clockOffset }, pieces);
	}

	async function fromBrowser(request: Request, response: Response): Promise<void> {
		const { json, pieces } = readBody(request);
		const { writeKey, sentAt, events } = parseInput(batchSchema, json);
		const site = siteOfPage(request, writeKey);
		return acceptOfPage(request, site, events, clockOffset(sentAt, now()), pieces).then((reply) =>
			answer(response, reply),
		);
	}

	async function fromBackend(request: Request, response: Response): Promise<void> {
		const site: IngestSite = response.locals.site;
		const { json, pieces } = readBody(request);
		const { events } = parseInput(eventsSchema, json);
		const sender = { isBackend: true, clockOffset: 0 };
		return accept(site, events, sender, pieces).then((reply) => answer(response, reply));
	}

	const types = ["application/json", "text/plain"];
	const origins = sites.flatMap((site) => site.origins);

	const routes: Route[] = [
		{
			path: "/v1/batch",
			before: cors(origins, sandbox),
			options: preflight(origins, sandbox),
			post: [postBatch, admit, limitAddress, limitBytes.announced, readBodies(types), limitBytes.read, fromBrowser],
		},
		{
			path: "/v1/events",
			post: [
				postEvents,
				admit,
				backendOnly(sites, guess, { sandbox }),
				readBodies(types, { isBackend: true }),
				fromBackend,
			],
		},
	];

	return {
		routes,
		/** Accepts events of the backend without HTTP. Resolves once they are on disk. */
		accept: (site: IngestSite, events: unknown[]) => accept(site, events, { isBackend: true, clockOffset: 0 }),
		siteOfPage,
		acceptOfPage,
		/** Checks events of an opened e-mail or a report. They are not delivered to `from`, which has reported them. */
		check: (site: IngestSite, events: unknown[], from?: string): CheckedEvents =>
			check(site, events, { isBackend: false, isInbound: true, clockOffset: 0 }, [], from),
		/** Stores checked events. Resolves once they are on disk. */
		async store(site: IngestSite, checked: CheckedEvents): Promise<void> {
			await append(site, seal(site, checked));
		},
		/** Gives notice of checked events, for a caller that has stored them itself. */
		taken: (site: IngestSite, checked: CheckedEvents): void =>
			onNotice({ kind: "batch", site: site.name, ...seal(site, checked) }),
	};
}

/** Answers 202 without the ETag and freshness checks of `response.json`. */
function answer(response: Response, reply: BatchReply): void {
	const text = JSON.stringify(reply);
	response.writeHead(202, {
		"Content-Type": "application/json; charset=utf-8",
		"Content-Length": Buffer.byteLength(text),
	});
	response.end(text);
}
