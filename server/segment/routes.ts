import type { Request, RequestHandler, Response } from "express";
import { limits } from "../../shared/event.ts";
import { cors, preflight } from "../http/origins.ts";
import { RequestError } from "../http/problem.ts";
import type { Guess } from "../http/rate-limit.ts";
import type { Route } from "../http/route.ts";
import { basicUser, sameSecret } from "../http/secret.ts";
import type { Ingest, IngestOptions, IngestSite } from "../ingest/ingest.ts";
import { readBody } from "../ingest/read-body.ts";
import { type Calls, readCalls, typeOfPath } from "./calls.ts";
import { getSettings, getSourceConfig, postCall, postCalls } from "./operations.ts";
import { createSettings } from "./settings.ts";
import { emailOfUserId, type Translated, translate } from "./translate.ts";
import { createUserIds } from "./user-ids.ts";

export interface SegmentOptions
	extends Pick<
		IngestOptions,
		"sites" | "outbox" | "sandbox" | "admit" | "limitAddress" | "limitBytes" | "readBodies" | "now" | "onNotice"
	> {
	/** Limits wrong guesses of keys. */
	guess: Guess;
	ingest: Pick<Ingest, "accept" | "siteOfPage" | "acceptOfPage">;
}

/** Maximum size of a body after decompression, in bytes, as Segment's libraries fill it. */
// Guard (SECURITY.md): segment-body-size
const bodyBytes = 524_288;

/** Headers that browser libraries send: Segment's `Authorization` and a count of attempts, RudderStack's the others. */
const headers = "authorization, content-type, content-encoding, anonymousid, sentat, x-retry-count";

/** The owner of the key in a request's `Authorization`: a site's backend, or its pages. */
interface Owner {
	site: IngestSite;
	isBackend: boolean;
}

const ownerOf = ({ locals }: Response): Owner | undefined => locals.owner;

/**
 * Makes the routes of Segment's HTTP API (https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/).
 * They translate calls into events, which ingest takes as it takes those of `POST /v1/events` from backends, and those
 * of `POST /v1/batch` from pages.
 */
export function createSegment(options: SegmentOptions): Route[] {
	const { sites, outbox, sandbox, admit, limitAddress, limitBytes, readBodies, guess, now, onNotice, ingest } = options;
	const addEmails = createUserIds(outbox, now);
	const readFrom = {
		backend: readBodies(undefined, { isBackend: true, most: bodyBytes }),
		page: readBodies(undefined, { most: bodyBytes }),
	};

	/** Finds the owner of the key in `Authorization`, before the body is read. Without one, the body names the site. */
	const identify: RequestHandler = (request, response, next) => {
		const key = basicUser(request.headers.authorization);
		if (key === undefined) return next();
		// Guard (SECURITY.md): segment-keys
		const owner = guess<Owner>(request, (isCompared) => {
			const backend = sites.find(
				({ serverKey }) => serverKey !== undefined && isCompared(serverKey) && sameSecret(key, serverKey),
			);
			if (backend) return { site: backend, isBackend: true };
			const site = sites.find(({ writeKey }) => sameSecret(key, writeKey));
			return site && { site, isBackend: false };
		});
		if (!owner) throw new RequestError("invalid_write_key", "no site has this server key or write key");
		response.locals.owner = owner;
		next();
	};

	/** Applies a handler to requests of pages only. */
	const ofPages =
		(handler: RequestHandler): RequestHandler =>
		(request, response, next) =>
			ownerOf(response)?.isBackend ? next() : handler(request, response, next);
	const read: RequestHandler = (request, response, next) =>
		readFrom[ownerOf(response)?.isBackend ? "backend" : "page"](request, response, next);

	/** Makes events of calls. The reasons of calls that make none are counted. */
	function translateAll({ calls, type, sentAt }: Calls, readsToken: boolean): Translated[] {
		const options = { type, sentAt, readsToken, now: now() };
		const all = calls.map((call) => translate(call, options));
		const reasons = all.filter((each) => typeof each === "string");
		if (reasons.length > 0) onNotice({ kind: "unused", reasons });
		return all.filter((each) => typeof each !== "string");
	}

	/** Completes events with their people, and divides them into batches of the size that ingest takes. */
	function batchesOf(translated: readonly Translated[]): unknown[][] {
		const events = translated.map(({ event, person }) => {
			const email = person.email ?? emailOfUserId(person);
			return { ...event, person: email === undefined ? person : { ...person, email } };
		});
		const batches: unknown[][] = [];
		for (let start = 0; start < events.length; start += limits.batchEvents)
			batches.push(events.slice(start, start + limits.batchEvents));
		return batches;
	}

	/** Finds the site of a page's calls, and checks all that ingest checks before it takes events of a page. */
	function siteOfPage(request: Request, response: Response, { calls, writeKey }: Calls): IngestSite {
		const key = ownerOf(response)?.site.writeKey ?? writeKey;
		if (key === undefined)
			throw new RequestError("invalid_write_key", "send a key, as the user of Basic authorization or as writeKey");
		const batches = Math.max(1, Math.ceil(calls.length / limits.batchEvents));
		const site = ingest.siteOfPage(request, key, batches);
		// A large batch counts as the requests that it would be at /v1/batch.
		// Guard (SECURITY.md): segment-batch-cost
		for (let more = 1; more < batches; more += 1) limitAddress(request, response, () => {});
		return site;
	}

	const receive =
		(type: string | undefined): RequestHandler =>
		async (request, response) => {
			const calls = readCalls(readBody(request, bodyBytes).json, type);
			const owner = ownerOf(response);
			const isBackend = owner?.isBackend ?? false;
			const site = owner?.isBackend ? owner.site : siteOfPage(request, response, calls);
			const translated = translateAll(calls, !isBackend && site.identity === "verified");
			let learnt: Awaited<ReturnType<typeof addEmails>> | undefined;
			// Guard (SECURITY.md): user-ids-of-backend
			if (isBackend) learnt = await addEmails(site, translated);
			const batches = batchesOf(translated);
			const accept = (events: unknown[]) =>
				isBackend ? ingest.accept(site, events) : ingest.acceptOfPage(request, site, events, 0);
			await Promise.all([learnt?.storing, ...batches.map(accept)]);
			response.json({ success: true });
		};

	const origins = sites.flatMap((site) => site.origins);
	const open = (method: string) => ({
		before: cors(origins, sandbox),
		options: preflight(origins, sandbox, { method, headers }),
	});
	const taking = (path: string, type: string | undefined): Route => ({
		path: `/segment/v1/${path}`,
		...open("POST"),
		post: [
			type === undefined ? postCalls : postCall,
			admit,
			identify,
			ofPages(limitAddress),
			ofPages(limitBytes.announced),
			read,
			ofPages(limitBytes.read),
			receive(type),
		],
	});
	const { settings, sourceConfig } = createSettings(sites);
	return [
		taking("batch", undefined),
		taking("b", undefined),
		...Object.entries(typeOfPath).map(([path, type]) => taking(path, type)),
		{ path: "/segment/v1/projects/:key/settings", ...open("GET"), get: [getSettings, settings] },
		{ path: "/segment/sourceConfig", ...open("GET"), get: [getSourceConfig, sourceConfig] },
	];
}

/**
 * Moves requests of libraries that know no path of their own to the routes: Segment's for Node drops the path of its
 * `host`, RudderStack's for browsers adds a slash. A page's request has an `Origin`, and may have the `Authorization` of
 * its site.
 */
export const moveSegmentRequests: RequestHandler = (request, _response, next) => {
	const { url, headers } = request;
	const isBackend = headers.origin === undefined && basicUser(headers.authorization) !== undefined;
	if (isBackend && /^\/v1\/batch(?:\?|$)/.test(url)) request.url = `/segment${url}`;
	else if (/^\/segment\/sourceConfig\/(?:\?|$)/.test(url)) request.url = url.replace("/?", "?").replace(/\/$/, "");
	next();
};
