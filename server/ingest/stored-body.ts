import { limits } from "../../shared/event.ts";
import type { StoredEvent } from "../stored-event.ts";
import { isObject } from "./guard.ts";

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

const before = Buffer.from('{"event":');
let last = { text: "", bytes: Buffer.from("") };
/** Encodes a text. Remembers the last one, because the events of a batch mostly share theirs. */
function encoded(text: string): Buffer {
	if (last.text !== text) last = { text, bytes: Buffer.from(text) };
	return last.bytes;
}

/**
 * Serialises a checked event for the store. Reuses the received bytes if the check changed nothing and
 * they are not padded with white space: that is faster than writing JSON anew.
 */
export function storedBody(stored: StoredEvent, raw: unknown, piece: Uint8Array | undefined): string | Uint8Array {
	const { event, ...rest } = stored;
	const isAsItCame = piece && piece.length <= limits.dataBytes && isObject(raw) && hasSame(raw, event, isAlike);
	if (!isAsItCame) return JSON.stringify(stored);
	return Buffer.concat([before, piece, encoded(`,${JSON.stringify(rest).slice(1)}`)]);
}
