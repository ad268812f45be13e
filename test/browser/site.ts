import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import type { Event } from "../../shared/event.ts";
import type { ProblemCode, Rejection } from "../../shared/wire.ts";
import type { Visitor } from "./engine.ts";

export interface Batch {
	writeKey: string;
	sentAt: number;
	events: Event[];
}

export interface Reply {
	status: number;
	headers?: Record<string, string>;
	body?: unknown;
	/** Breaks the connection in the middle of the body. */
	isCut?: boolean;
}

/** An answer of the proxy. `"never"` keeps the request open, `"down"` closes it without an answer. */
export type Answer = "never" | "down" | Reply;

/** A problem response of the proxy. */
export const problem = (status: number, code: ProblemCode): Reply => ({ status, body: { status, code } });

/** A 202 that accepts all events except the rejected ones. */
export const taken = ({ events }: Batch, rejected: Rejection[] = []): Reply => ({
	status: 202,
	body: { accepted: events.length - rejected.length, rejected },
});

/** The stub that collects commands and their times until the script has loaded. */
export const stub =
	"<script>window.eventferry=window.eventferry||Object.assign([],{push(...c){for(const x of c){x.when=Date.now();this[this.length]=x}}})</script>";

export const scriptTag = (attributes = "") =>
	`<script src="/ferry/client.js" data-write-key="site_test" ${attributes}></script>`;

/**
 * Starts a site on one origin: pages, the built script, and a simulated proxy that records requests and gives the
 * answers that a test sets. Its pages begin with the visitor's preamble.
 */
export async function startSite({ preamble }: Pick<Visitor, "preamble"> = {}) {
	const built = (name: string) => readFile(new URL(`../../dist/${name}`, import.meta.url));
	/** Scripts by their paths: the built ones, and others that a test adds. */
	const scripts = new Map<string, Buffer | string>([
		["/ferry/client.js", await built("client.js")],
		["/ferry/adopt.js", await built("adopt.js")],
	]);
	const pages = new Map<string, string>([["/", scriptTag()]]);
	const batches: Batch[] = [];
	const paths: string[] = [];
	const headers: IncomingHttpHeaders[] = [];
	const waiters = new Set<() => void>();
	let policy = "default-src 'none'; script-src 'self' 'unsafe-inline'; connect-src 'self'";
	let preflights = 0;
	let atOnce = 0;
	let mostAtOnce = 0;
	let answer: (batch: Batch) => Answer | Promise<Answer> = taken;

	/** The policy, with a nonce for the preamble if it does not allow all inline scripts. */
	const allowingPreamble = () =>
		preamble && !policy.includes("'unsafe-inline'")
			? policy.replace("script-src", "script-src 'nonce-preamble'")
			: policy;
	const server = createServer(async (request, response) => {
		const path = new URL(request.url ?? "", "http://site").pathname;
		paths.push(path);
		for (const look of waiters) look();
		response.setHeader("Access-Control-Allow-Origin", "*");
		if (request.method === "OPTIONS") preflights++;
		if (request.method === "POST" && path === "/ferry/v1/batch") {
			const sent = await buffer(request);
			const isZipped = request.headers["content-encoding"] === "gzip";
			const batch: Batch = JSON.parse((isZipped ? gunzipSync(sent) : sent).toString());
			batches.push(batch);
			headers.push(request.headers);
			mostAtOnce = Math.max(mostAtOnce, ++atOnce);
			const answered = answer(batch);
			for (const look of waiters) look();
			const reply = await answered;
			if (reply === "never") await once(response, "close");
			atOnce--;
			if (reply === "never") return;
			if (reply === "down") return void response.destroy();
			const text = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body ?? {});
			response.writeHead(reply.status, {
				"Content-Type": "application/json",
				"Content-Length": text.length,
				...reply.headers,
			});
			if (reply.isCut) response.write(text.slice(0, text.length / 2), () => response.destroy());
			else response.end(text);
		} else if (scripts.has(path)) {
			response.writeHead(200, { "Content-Type": "text/javascript" }).end(scripts.get(path));
		} else if (pages.has(path)) {
			response
				.writeHead(200, {
					"Content-Type": "text/html",
					// Firefox and WebKit count the icon, for which browsers ask unasked, among the page's images.
					"Content-Security-Policy": `${allowingPreamble()}; img-src 'self'`,
				})
				.end(
					`<!doctype html>${preamble ? `<script nonce="preamble">${preamble()}</script>` : ""}<title>Shop</title>${pages.get(path)}`,
				);
		} else if (path === "/favicon.ico") {
			response.writeHead(204).end();
		} else {
			response.writeHead(404).end();
		}
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

	const events = () => batches.flatMap((batch) => batch.events);

	return {
		origin,
		pages,
		scripts,
		batches,
		/** Paths of all requests. */
		paths,
		headers,
		/** Highest number of requests that were under way at a time. */
		mostAtOnce: () => mostAtOnce,
		/** Number of CORS preflight requests. */
		preflights: () => preflights,
		/** Sets the Content-Security-Policy of the pages. */
		policy(next: string) {
			policy = next;
		},
		/** Every event received so far, in order. */
		events,
		/** Number of times that each id was received. */
		counts() {
			const counts = new Map<string, number>();
			for (const { id } of events()) counts.set(id, (counts.get(id) ?? 0) + 1);
			return counts;
		},
		/** Names of the events received so far, or types of events without a name. */
		names: () => events().map((event) => ("name" in event ? event.name : event.type)),
		answerWith(next: (batch: Batch) => Answer | Promise<Answer>) {
			answer = next;
		},
		/** Resolves once the condition is true, which is checked at each request and each batch. */
		until(isTrue: () => boolean): Promise<void> {
			return new Promise((resolve) => {
				const look = () => {
					if (!isTrue()) return;
					waiters.delete(look);
					resolve();
				};
				waiters.add(look);
				look();
			});
		},
		async close() {
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};
}
export type Site = Awaited<ReturnType<typeof startSite>>;
