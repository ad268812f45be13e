import { limits } from "../../shared/event.ts";
import type { StoredEvent } from "../stored-event.ts";
import { isObject } from "./tidy-event.ts";

type IsSame = (a: unknown, b: unknown) => boolean;

const isIdentical: IsSame = (a, b) => a === b;

function hasSame(a: Record<string, unknown>, b: Record<string, unknown>, isSame: IsSame): boolean {
	let more = 0;
	for (const name in a) {
		if (!isSame(a[name], b[name])) return false;
		more += 1;
	}
	for (const _ in b) more -= 1;
	return more === 0;
}

const isAlike: IsSame = (a, b) => a === b || (isObject(a) && isObject(b) && hasSame(a, b, isIdentical));

const opening = Buffer.from('{"event":');
let last = { text: "", bytes: Buffer.from("") };
/** Encodes a text. Remembers the last text, because most events of a batch have the same one. */
function encoded(text: string): Buffer {
	if (last.text !== text) last = { text, bytes: Buffer.from(text) };
	return last.bytes;
}

const closing = Buffer.from("}");
const ruledBytes = new WeakMap<object, Buffer>();
/** Encodes the changes by rules, and the end of the body, once for each object: events of one kind share it. */
function encodedRuled(ruled: NonNullable<StoredEvent["ruled"]>): Buffer {
	const known = ruledBytes.get(ruled);
	if (known) return known;
	const bytes = Buffer.from(`,"ruled":${JSON.stringify(ruled)}}`);
	ruledBytes.set(ruled, bytes);
	return bytes;
}

/**
 * Serialises a checked event for the store. Reuses the received bytes, which is faster, if the check changed nothing and
 * white space does not make them too long.
 */
export function storedBody(stored: StoredEvent, raw: unknown, piece: Uint8Array | undefined): string | Uint8Array {
	const { event, ruled, ...rest } = stored;
	const isUnchanged = piece && piece.length <= limits.dataBytes && isObject(raw) && hasSame(raw, event, isAlike);
	if (!isUnchanged) return JSON.stringify(stored);
	const parts = [opening, piece, encoded(`,${JSON.stringify(rest).slice(1, -1)}`)];
	return Buffer.concat([...parts, ruled ? encodedRuled(ruled) : closing]);
}
