import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import type { Request, RequestHandler } from "express";
import { limits } from "../../shared/event.ts";
import { RequestError } from "./problem.ts";
import type { SenderOf } from "./rate-limit.ts";

/** Maximum size of all bodies in memory together, in bytes; a body counts from its first byte to the answer. */
// Guard (SECURITY.md): body-room
const roomBytes = 67_108_864;
/** Maximum size of the bodies of one address together, in bytes. */
// Guard (SECURITY.md): body-share
const shareBytes = 8_388_608;
/** Bytes up to which a body is accepted even if the room is full, so that large bodies do not block small ones. */
const smallBytes = 16_384;
/** Maximum number of chunks of a body. Real clients send few; a body in one-byte chunks costs more than 100 others. */
const piecesMost = 8_192;

/** A body in the room. */
interface Body {
	bytes: number;
	/** Refuses the body and drops its bytes. Undefined once the body is complete. */
	refuse: (() => void) | undefined;
}

/** The bodies of one sender, the oldest first. */
interface Share {
	bodies: Set<Body>;
	bytes: number;
	maxBytes: number;
}

/** Functions that unpack bytes, by the name of the encoding. They throw a RangeError for more than `maxOutputLength`. */
export const unpackers = new Map<string, (bytes: Buffer, options: { maxOutputLength: number }) => Buffer>([
	["identity", (bytes) => bytes],
	["gzip", gunzipSync],
	["deflate", inflateSync],
	["br", brotliDecompressSync],
]);

const tooLarge = () => new RequestError("body_too_large", `the body is larger than ${limits.bodyBytes / 1_024} KB`);

/** Returns the function that unpacks a complete body of a request. Throws `unsupported_media_type` if there is none. */
function unpackerOf({ headers }: Request, isPlain: boolean): (bytes: Buffer) => Buffer {
	const encoding = headers["content-encoding"]?.toLowerCase() ?? "identity";
	const unpack = unpackers.get(encoding);
	if (!unpack || (isPlain && encoding !== "identity")) {
		throw new RequestError("unsupported_media_type", "the body's encoding is not supported here: send it uncompressed");
	}
	return (bytes) => {
		try {
			// Guard (SECURITY.md): unpacked-size
			return unpack(bytes, { maxOutputLength: limits.bodyBytes });
		} catch (cause) {
			if (cause instanceof RangeError) throw tooLarge();
			throw new RequestError("malformed_body", "the body cannot be decompressed", { cause });
		}
	};
}

/** Collects chunks of a body in one buffer: a million chunks of one byte take no more memory than one large chunk. */
function collector(length: number | undefined) {
	let buffer: Buffer = Buffer.alloc(0);
	let size = 0;
	return {
		add(chunk: Buffer): void {
			const end = size + chunk.length;
			// Guard (SECURITY.md): body-size
			if (end > limits.bodyBytes) throw tooLarge();
			if (size === 0) buffer = chunk;
			else {
				if (end > buffer.length) {
					const grown = Buffer.allocUnsafe(Math.min(2 * end, length ?? limits.bodyBytes));
					buffer.copy(grown, 0, 0, size);
					buffer = grown;
				}
				chunk.copy(buffer, size);
			}
			size = end;
		},
		/** Returns the bytes of memory in use. */
		held: () => buffer.length,
		collected: () => buffer.subarray(0, size),
	};
}

export type ReadBodies = ReturnType<typeof createBodyRoom>;

/**
 * Bounds the memory that bodies take, for any number of clients and however slowly they send. Counts bytes that have
 * come, not announced ones. When an address has more than its share, its oldest large body that is still being sent is
 * refused with 503; when the room is full, that of the address that fills its share most. Senders keep their events.
 */
export function createBodyRoom(senderOf: SenderOf) {
	const shares = new Map<string, Share>();
	let held = 0;

	/** Refuses the oldest large body of a share that is still being sent. Returns false if there is none. */
	function giveWay({ bodies }: Share): boolean {
		for (const { bytes, refuse } of bodies) {
			if (!refuse || bytes <= smallBytes) continue;
			refuse();
			return true;
		}
		return false;
	}
	const fullest = (own: Share) =>
		[...shares.values()].reduce((a, b) => (b.bytes / b.maxBytes > a.bytes / a.maxBytes ? b : a), own);

	function enter(sender: string, maxBytes: number) {
		const share = shares.get(sender) ?? { bodies: new Set(), bytes: 0, maxBytes };
		const body: Body = { bytes: 0, refuse: undefined };
		shares.set(sender, share);
		share.bodies.add(body);
		function count(bytes: number): void {
			held += bytes - body.bytes;
			share.bytes += bytes - body.bytes;
			body.bytes = bytes;
		}
		return {
			body,
			/** Counts the body's bytes, and makes room for them, if need be by refusing the body itself. */
			resize(bytes: number): void {
				count(bytes);
				while (share.bytes > maxBytes && giveWay(share));
				while (held > roomBytes) {
					// Guard (SECURITY.md): body-fullest
					if (giveWay(fullest(share))) continue;
					if (!giveWay(share)) break;
				}
			},
			leave(): void {
				count(0);
				if (share.bodies.delete(body) && share.bodies.size === 0) shares.delete(sender);
			},
		};
	}

	/**
	 * Makes a handler that reads bodies of some media types, or of any, into a Buffer, and decompresses them once they are
	 * complete. Bodies after a checked server key (`isBackend`) may take the whole room. `isPlain` refuses compressed ones.
	 */
	return (types?: string[], { isBackend = false, isPlain = false } = {}): RequestHandler =>
		(request, response, next) => {
			// The app around the router may have read the body.
			if (!request.readable || (types && !request.is(types))) return next();
			const length = Number(request.headers["content-length"]);
			// Guard (SECURITY.md): announced-body-size
			if (length > limits.bodyBytes) throw tooLarge();
			const unpack = unpackerOf(request, isPlain);
			const collect = collector(length || undefined);
			const { body, resize, leave } = isBackend ? enter("backend", roomBytes) : enter(senderOf(request), shareBytes);

			function stop(): void {
				body.refuse = undefined;
				request.off("data", add).off("end", complete);
			}
			function refuse(error: unknown): void {
				stop();
				leave();
				// Lets the rest come, and drops it: a client that is cut off would not read its answer.
				request.resume();
				next(error);
			}
			let pieces = 0;
			function add(chunk: Buffer): void {
				pieces += 1;
				// Guard (SECURITY.md): body-pieces
				if (pieces > piecesMost) return void request.socket.destroy();
				try {
					collect.add(chunk);
				} catch (error) {
					return void refuse(error);
				}
				resize(collect.held());
			}
			function complete(): void {
				try {
					request.body = unpack(collect.collected());
				} catch (error) {
					return void refuse(error);
				}
				resize(request.body.length);
				// Without `refuse`, the body itself has given way.
				if (!body.refuse) return;
				// The listeners would keep the bytes in memory while the handler waits for the disk.
				stop();
				next();
			}
			body.refuse = () =>
				refuse(new RequestError("store_unavailable", "too many large requests at once: try again later"));
			response.on("close", leave);
			request.on("data", add).on("end", complete);
		};
}
