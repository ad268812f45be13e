import { isUtf8 } from "node:buffer";
import type { Request } from "express";
import { limits } from "../../shared/event.ts";
import { parseJson } from "../http/exact-json.ts";
import { RequestError } from "../http/problem.ts";

/** A body that was read. */
export interface ReadBody {
	json: unknown;
	/** The bytes that each of its `events` came as, a line each; undefined for those, or all, that cannot be told apart. */
	pieces?: (Uint8Array | undefined)[];
}

/** How the list of events starts, and what is between two of them: as our clients, and most others, write it. */
const opening = '"events":[{"id":"';
const between = '},{"id":"';

/**
 * Reads a body piece by piece, each event by itself, so that the bytes of each are known. A quote is never in JSON's
 * strings but escaped, so what looks like `opening` or `between` is no text; and what is JSON without its events, and
 * events that are JSON one by one, are so together. Undefined where the body is something else, or written otherwise.
 */
function readPieces(bytes: Buffer, text: string): ReadBody | undefined {
	const start = text.indexOf(opening);
	if (!"{,".includes(text[start - 1] ?? "-") || !text.endsWith("]}") || text.includes("\n") || !isUtf8(bytes)) {
		return undefined;
	}
	const shift = opening.indexOf("{");
	const events: unknown[] = [];
	const pieces: (Uint8Array | undefined)[] = [];
	try {
		const json = parseJson(`${text.slice(0, start)}"events":[]}`) as Record<string, unknown>;
		let from = start + shift;
		let fromByte = bytes.indexOf(opening) + shift;
		while (from < text.length) {
			// Too many: the whole will be refused for it, which costs less.
			if (events.length > limits.batchEvents) return undefined;
			const next = text.indexOf(between, from);
			const to = next < 0 ? text.length - 2 : next + 1;
			const toByte = next < 0 ? bytes.length - 2 : bytes.indexOf(between, fromByte, "latin1") + 1;
			const piece = text.slice(from, to);
			events.push(parseJson(piece));
			// Whoever looks for a text in it would not find what is escaped.
			pieces.push(piece.includes("\\") ? undefined : bytes.subarray(fromByte, toByte));
			from = next < 0 ? text.length : to + 1;
			fromByte = toByte + 1;
		}
		json.events = events;
		return { json, pieces };
	} catch {
		return undefined;
	}
}

function parse(bytes: Buffer): ReadBody {
	const text = bytes.toString();
	try {
		return readPieces(bytes, text) ?? { json: parseJson(text.replace(/^\ufeff/, "")) };
	} catch (cause) {
		throw new RequestError("malformed_body", "the body is not valid JSON in UTF-8", { cause });
	}
}

const charsetOf = (type = "") => /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(type)?.[1] ?? "utf-8";

/** The body of a request: as bytes, or as the app around the proxy had read it. Takes it from the request. */
export function readBody(request: Request): ReadBody {
	const { body } = request;
	// Nobody's after us, and large.
	request.body = undefined;
	const { "content-length": length, "transfer-encoding": encoding, "content-type": type } = request.headers;
	if (Buffer.isBuffer(body) && !/^utf-?8$/i.test(charsetOf(type))) {
		throw new RequestError("unsupported_media_type", "the body's charset is not supported: send UTF-8");
	}
	if (typeof body === "string" || Buffer.isBuffer(body)) {
		if (Buffer.byteLength(body) > limits.bodyBytes) {
			throw new RequestError("body_too_large", "the body is larger than 256 KB");
		}
		return parse(Buffer.from(body as string));
	}
	if (body !== undefined) return { json: body };
	if (!Number(length) && encoding === undefined) throw new RequestError("malformed_body", "the body is empty");
	throw new RequestError("unsupported_media_type", "send the body as application/json or text/plain");
}
