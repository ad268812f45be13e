import { randomUUID } from "node:crypto";
import type { Request, Response } from "express";
import { LRUCache } from "lru-cache";
import * as z from "zod";
import { type Operation, ok, type Route } from "../http/route.ts";
import type { CheckedEvents, IngestSite } from "../ingest/ingest.ts";
import { eventId } from "./event-id.ts";
import { openReader } from "./open-token.ts";

export interface OpenPixelOptions {
	sites: IngestSite[];
	check(site: IngestSite, events: unknown[]): CheckedEvents;
	store(site: IngestSite, checked: CheckedEvents): Promise<void>;
	now(): number;
	/** Told of an opened e-mail that could not be recorded. */
	onFault(error: unknown): void;
}

const getPixel: Operation = {
	summary: "An image that records an opened e-mail if `t` is validly signed",
	query: z.object({ t: z.string().optional() }),
	answer: ok("One transparent pixel", { "image/gif": null }),
	problems: [],
};

/** One transparent pixel. */
const gif = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");
const headers = {
	"Content-Type": "image/gif",
	"Content-Length": String(gif.length),
	"Cache-Control": "no-store",
	"X-Content-Type-Options": "nosniff",
	// Webmail may ask of images that they say so.
	"Cross-Origin-Resource-Policy": "cross-origin",
};

/** A mail client's proxies ask several times; what they ask again within this is not even offered to the store. */
const repeatMs = 60_000;
const repeatsKept = 10_000;

/** Whether somebody looks at what is asked for, as far as the request tells: https://fetch.spec.whatwg.org/#sec-purpose-header */
const isLookedAt = (request: Request) =>
	request.method === "GET" &&
	!["sec-purpose", "purpose", "x-purpose", "x-moz"].some((name) => /prefetch|preview/i.test(request.get(name) ?? ""));

/** `GET /v1/open.gif?t=…`: always the image; an `email_open` where `t` is good. That it is one in 20 minutes is the outbox's to see. */
export function openPixel({ sites, check, store, now, onFault }: OpenPixelOptions): Route {
	const read = openReader(sites, now);
	const recent = new LRUCache<string, true>({ max: repeatsKept, ttl: repeatMs });

	async function record(token: string): Promise<void> {
		const open = await read(token);
		if (!open) return;
		const { site, email, campaign } = open;
		const at = now();
		const data = campaign !== undefined && { data: { campaign } };
		const checked = check(site, [
			{ id: eventId(at, randomUUID()), type: "email_open", at, person: { email }, ...data },
		]);
		const [event] = checked.events;
		const key = `${site.name}\n${event?.person}`;
		if (!event || recent.has(key)) return;
		recent.set(key, true);
		try {
			await store(site, checked);
		} catch (error) {
			recent.delete(key);
			throw error;
		}
	}

	async function answer(request: Request, response: Response): Promise<void> {
		// Never through `request.query`: how that is parsed is for the app around the router to say.
		const token = new URLSearchParams(request.url.split("?")[1]).get("t");
		if (token !== null && isLookedAt(request)) await record(token).catch(onFault);
		response.writeHead(200, headers).end(request.method === "HEAD" ? undefined : gif);
	}

	return { path: "/v1/open.gif", get: [getPixel, answer] };
}
