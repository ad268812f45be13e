import express, { type RequestHandler } from "express";
import { limits } from "../../shared/event.ts";
import { RequestError } from "./problem.ts";

/** Bytes of bodies that are held at once, from their first byte to the answer. */
const roomBytes = 67_108_864;
/** Past that, bodies up to this size are still taken: most are, so that a few large ones do not stand in their way. */
const smallBytes = 16_384;

/**
 * Bounds what bodies hold in memory, however many clients there are and however slowly they send: when the room is
 * used up, large ones are turned away (503) or, in the middle, cut off. Whoever sends them still has the events.
 */
function bodyRoom(): RequestHandler {
	let held = 0;
	return (request, response, next) => {
		const isPacked = request.headers["content-encoding"] !== undefined;
		const announced = isPacked ? limits.bodyBytes : Number(request.headers["content-length"] ?? limits.bodyBytes);
		if (held > roomBytes && announced > smallBytes) {
			// Or the rest of the body would still be waited for.
			response.set("Connection", "close");
			throw new RequestError("store_unavailable", "too much is being taken in at once; nothing was accepted");
		}
		let own = 0;
		const hold = (bytes: number) => {
			own += bytes;
			held += bytes;
			if (held > roomBytes && own > smallBytes) request.destroy();
		};
		// What is packed can become as large as is allowed.
		if (isPacked) hold(limits.bodyBytes);
		request.on("data", (chunk: Buffer) => hold(isPacked ? 0 : chunk.length));
		response.once("close", () => {
			held -= own;
		});
		next();
	};
}

/**
 * Reads bodies of these media types as bytes, unpacked, up to `limits.bodyBytes`: for the routes that anybody can send to,
 * which share the room.
 */
export const rawBody = (type: string[] | (() => boolean)): RequestHandler[] => [
	bodyRoom(),
	express.raw({ type, limit: limits.bodyBytes }),
];
