import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import type { Page } from "./peer.ts";

/** Totals of the requests that a peer has sent. */
export interface Received {
	requests: number;
	/** Bytes of bodies and query strings, as transferred. */
	bytes: number;
	/** Number of times each mark came. A mark is text that no peer encodes: `m-<number>-`. */
	marks: Map<string, number>;
}

/**
 * Headers that give a page a more precise clock.
 * https://developer.mozilla.org/en-US/docs/Web/API/Performance_API/High_precision_timing
 */
const isolated = {
	"Cross-Origin-Opener-Policy": "same-origin",
	"Cross-Origin-Embedder-Policy": "require-corp",
};

/** Starts a server with an empty page, the peer's script, and a collector that counts events and can be taken down. */
export async function startCollector(peer: Page) {
	let received: Received = { requests: 0, bytes: 0, marks: new Map() };
	let isDown = false;

	const server = createServer(async (request, response) => {
		const url = new URL(request.url ?? "", "http://collector");
		if (request.method === "GET" && url.pathname === "/") {
			response
				.writeHead(200, { "Content-Type": "text/html", ...isolated })
				.end("<!doctype html><title>Shop</title><h1>Shop</h1>");
			return;
		}
		if (url.pathname === "/ferry/peer.js" || url.pathname === "/empty.js") {
			response.writeHead(200, { "Content-Type": "text/javascript" });
			response.end(url.pathname === "/empty.js" ? "" : peer.script);
			return;
		}
		const settings = request.method === "GET" && peer.settings?.[url.pathname];
		if (settings) {
			response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(settings));
			return;
		}
		if (request.method === "GET") return void response.writeHead(404).end();
		if (isDown) return void response.destroy();
		const sent = await buffer(request).catch(() => Buffer.alloc(0));
		const isZipped = sent[0] === 0x1f && sent[1] === 0x8b;
		const body = (isZipped ? gunzipSync(sent) : sent).toString();
		received.requests++;
		received.bytes += sent.length + url.search.length;
		const text = peer.read?.(body) ?? body;
		for (const [mark] of decodeURIComponent(text.replaceAll("%", "%25") + url.search).matchAll(/m-\d+-/g)) {
			received.marks.set(mark, (received.marks.get(mark) ?? 0) + 1);
		}
		const { status, body: answer } =
			request.method === "POST" ? (peer.answer?.(body) ?? { status: 200, body: "{}" }) : { status: 204, body: "" };
		response.writeHead(status, { "Content-Type": "application/json" }).end(answer);
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");

	const collector = {
		origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		received: () => received,
		/** Resets the totals. */
		reset() {
			received = { requests: 0, bytes: 0, marks: new Map() };
		},
		down(isNow: boolean) {
			isDown = isNow;
		},
		/** Resolves once `marks` marks have come, or no request has for `patience` ms. */
		async settled(marks: number, patience = 6_000) {
			let last = Date.now();
			let seen = -1;
			while (received.marks.size < marks && Date.now() - last < patience) {
				if (seen !== received.requests) {
					seen = received.requests;
					last = Date.now();
				}
				await new Promise((resolve) => setTimeout(resolve, 50));
			}
		},
		async close() {
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};
	return collector;
}
export type Collector = Awaited<ReturnType<typeof startCollector>>;
