import express, { type RequestHandler } from "express";
import { limits } from "../../shared/event.ts";
import { RequestError } from "./problem.ts";

/** Bytes of bodies that one group of routes holds in memory at once; a body counts from its first byte to the answer. */
// Guard (SECURITY.md): body-room
const roomBytes = 67_108_864;
/** Bytes up to which a body is accepted even if the room is full: a few large bodies must not block many small ones. */
const smallBytes = 16_384;

/**
 * Bounds the memory that bodies take, for any number of clients and however slowly they send. When the room is full, a
 * large body is refused with 503, or its connection is closed if it is half sent. Senders keep their events and retry.
 */
function bodyRoom(): RequestHandler {
	let held = 0;
	return (request, response, next) => {
		const isCompressed = request.headers["content-encoding"] !== undefined;
		const announced = isCompressed ? limits.bodyBytes : Number(request.headers["content-length"] ?? limits.bodyBytes);
		if (held > roomBytes && announced > smallBytes) {
			// Node would read the rest of the body to keep the connection open: see resOnFinish in
			// https://github.com/nodejs/node/blob/main/lib/_http_server.js
			response.set("Connection", "close");
			throw new RequestError("store_unavailable", "too many large requests at once: try again later");
		}
		let own = 0;
		const count = (bytes: number) => {
			own += bytes;
			held += bytes;
			if (held > roomBytes && own > smallBytes) request.destroy();
		};
		// A compressed body counts as the largest allowed one, because its decompressed size is not known yet.
		if (isCompressed) count(limits.bodyBytes);
		request.on("data", (chunk: Buffer) => count(isCompressed ? 0 : chunk.length));
		response.once("close", () => {
			held -= own;
		});
		next();
	};
}

/**
 * Makes handlers that read and decompress a body of some media types into a Buffer, up to `limits.bodyBytes`. Routes
 * that share the handlers share one room. For routes that anybody can send to. With `inflate: false`, compressed bodies
 * are refused with 415.
 */
export const rawBody = (type: string[] | (() => boolean), { inflate = true } = {}): RequestHandler[] => [
	bodyRoom(),
	// Guard (SECURITY.md): body-size
	express.raw({ type, limit: limits.bodyBytes, inflate }),
];
