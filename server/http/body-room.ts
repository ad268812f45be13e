import express, { type RequestHandler } from "express";
import { limits } from "../../shared/event.ts";
import { RequestError } from "./problem.ts";

/** Bytes of bodies that one group of routes holds in memory at once; a body counts from its first byte to the answer. */
// Guard (SECURITY.md): body-room
const roomBytes = 67_108_864;
/** Bytes up to which a body is taken even if the room is full: few large bodies must not block the many small ones. */
const smallBytes = 16_384;

/**
 * Bounds the memory that bodies take, for any number of clients and however slowly they send. When the room is full, a
 * large body is refused with 503, or its connection is closed if it is half sent. Senders keep their events and retry.
 */
function bodyRoom(): RequestHandler {
	let held = 0;
	return (request, response, next) => {
		const isPacked = request.headers["content-encoding"] !== undefined;
		const announced = isPacked ? limits.bodyBytes : Number(request.headers["content-length"] ?? limits.bodyBytes);
		if (held > roomBytes && announced > smallBytes) {
			// To keep the connection, Node would read the rest of the body: resOnFinish in
			// https://github.com/nodejs/node/blob/main/lib/_http_server.js
			response.set("Connection", "close");
			throw new RequestError("store_unavailable", "too many large requests at once; nothing was accepted");
		}
		let own = 0;
		const hold = (bytes: number) => {
			own += bytes;
			held += bytes;
			if (held > roomBytes && own > smallBytes) request.destroy();
		};
		// A compressed body counts as the largest allowed one: its unpacked size is not known yet.
		if (isPacked) hold(limits.bodyBytes);
		request.on("data", (chunk: Buffer) => hold(isPacked ? 0 : chunk.length));
		response.once("close", () => {
			held -= own;
		});
		next();
	};
}

/**
 * Reads and decompresses bodies of some media types into a Buffer, up to `limits.bodyBytes`, within one room. For
 * routes that anybody can send to.
 */
export const rawBody = (type: string[] | (() => boolean)): RequestHandler[] => [
	bodyRoom(),
	// Guard (SECURITY.md): body-size
	express.raw({ type, limit: limits.bodyBytes }),
];
