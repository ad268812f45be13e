import { randomUUID } from "node:crypto";
import type { Request, Response } from "express";
import * as z from "zod";
import { type Operation, ok, type Route } from "../http/route.ts";
import type { Ingest, IngestSite } from "../ingest/ingest.ts";
import { eventId } from "./event-id.ts";
import { openReader } from "./open-token.ts";

export interface OpenPixelOptions {
	sites: IngestSite[];
	ingest: Pick<Ingest, "check" | "store">;
	now(): number;
	/** Counts a request with a token, and tells whether its address is within its limit. */
	isWithinLimit(request: Request): boolean;
	/** Called if an opened e-mail cannot be recorded, or if a listener for web hooks throws or rejects. */
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
	// A webmail page with `Cross-Origin-Embedder-Policy: require-corp` loads only images with this header:
	// https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Cross-Origin-Embedder-Policy
	"Cross-Origin-Resource-Policy": "cross-origin",
};

/** Time in ms for which repeated opens do not reach the store. Mail proxies load an image several times. */
const repeatMs = 60_000;
const opensRemembered = 10_000;

/** Tells whether the image is shown, rather than prefetched: https://fetch.spec.whatwg.org/#sec-purpose-header */
const isShown = (request: Request) =>
	request.method === "GET" &&
	!["sec-purpose", "purpose", "x-purpose", "x-moz"].some((name) => /prefetch|preview/i.test(request.get(name) ?? ""));

/**
 * Makes the route `GET /v1/open.gif?t=…`. Always answers with the image, and records an `email_open` if `t` is valid and
 * the address is within its limit. The limit of one open in 20 minutes is a claim, which the outbox checks.
 */
export function openPixel({ sites, ingest, now, isWithinLimit, onFault }: OpenPixelOptions): Route {
	const read = openReader(sites, now);
	/** Ends of the times in which opens count as repeats, by `performance.now()`, the earliest first. */
	const recent = new Map<string, number>();

	async function record(token: string): Promise<void> {
		const open = await read(token);
		if (!open) return;
		const { site, email, campaign } = open;
		const at = now();
		const id = eventId(at, randomUUID());
		const data = campaign === undefined ? undefined : { campaign };
		const checked = ingest.check(site, [{ id, type: "email_open", at, person: { email }, data }]);
		const [event] = checked.events;
		const key = `${site.name}\n${event?.person}`;
		const current = performance.now();
		if (!event || current < (recent.get(key) ?? 0)) return;
		recent.delete(key);
		recent.set(key, current + repeatMs);
		const [oldest = key] = recent.keys();
		if (recent.size > opensRemembered) recent.delete(oldest);
		try {
			await ingest.store(site, checked);
		} catch (error) {
			recent.delete(key);
			throw error;
		}
	}

	async function answer(request: Request, response: Response): Promise<void> {
		// The app around the router decides how Express parses `request.query`, so it is not used.
		const token = new URLSearchParams(request.url.split("?")[1]).get("t");
		const isRead =
			token !== null &&
			isShown(request) &&
			// Guard (SECURITY.md): open-limit
			isWithinLimit(request);
		if (isRead) await record(token).catch(onFault);
		response.writeHead(200, headers).end(request.method === "HEAD" ? undefined : gif);
	}

	return { path: "/v1/open.gif", get: [getPixel, answer] };
}
