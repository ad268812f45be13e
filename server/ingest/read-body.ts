import { isUtf8 } from "node:buffer";
import type { Request } from "express";
import { limits } from "../../shared/event.ts";
import { parseJson } from "../http/exact-json.ts";
import { RequestError } from "../http/problem.ts";

/** A request's parsed body. */
export interface ReadBody {
	json: unknown;
	/** The bytes of each event, without line breaks. Undefined where they are not known, for one event or for all. */
	pieces?: (Uint8Array | undefined)[];
}

/** The start of the list of events, and the text between two events, as most JSON writers spell them. */
const opening = '"events":[{"id":"';
const between = '},{"id":"';

/**
 * Parses each event of a body by itself, so that its bytes are known. Safe, because JSON escapes quotes in strings:
 * `opening` and `between` never match inside a string. If the body without its events and each event are valid JSON,
 * the whole body is. Returns undefined for a body that is invalid or spelt in another way.
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
			// Too many events: the body is refused anyway, and parsing it as a whole costs less.
			if (events.length > limits.batchEvents) return undefined;
			const next = text.indexOf(between, from);
			const to = next < 0 ? text.length - 2 : next + 1;
			const toByte = next < 0 ? bytes.length - 2 : bytes.indexOf(between, fromByte, "latin1") + 1;
			const piece = text.slice(from, to);
			events.push(parseJson(piece));
			// Searches look for plain text in stored bytes and would not find escaped text: such an event is serialised anew.
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

/**
 * Parses a request's body of at most `most` bytes, unless the app around the router has parsed it already. Removes it
 * from the request.
 */
export function readBody(request: Request, most: number = limits.bodyBytes): ReadBody {
	const { body } = request;
	// Lets the garbage collector free the body while the handler waits for the disk.
	request.body = undefined;
	const { "content-length": length, "transfer-encoding": encoding, "content-type": type } = request.headers;
	if (Buffer.isBuffer(body) && !/^utf-?8$/i.test(charsetOf(type))) {
		throw new RequestError("unsupported_media_type", "the body's charset is not supported: send UTF-8");
	}
	if (typeof body === "string" || Buffer.isBuffer(body)) {
		// Guard (SECURITY.md): text-body-size
		if (Buffer.byteLength(body) > most) {
			throw new RequestError("body_too_large", `the body is larger than ${most / 1_024} KB`);
		}
		return parse(Buffer.from(body as string));
	}
	if (body !== undefined) return { json: body };
	if (!Number(length) && encoding === undefined) throw new RequestError("malformed_body", "the body is empty");
	throw new RequestError("unsupported_media_type", "send the body as application/json or text/plain");
}
