/** Throws the TypeError that becomes a `rejected` notice. */
export function refuse(reason: string): never {
	throw new TypeError(reason);
}

/** Refuses a value that is not a text of 1 to `max` UTF-16 units, or has control characters or lone surrogates. */
export function checkText(text: unknown, max: number, name: string): void {
	// Plain ASCII is let through before `\p`, whose first use costs a page 0.15 ms.
	if (typeof text !== "string" || !text || text.length > max || (/[^ -~]/.test(text) && /[\p{Cc}\p{Cs}]/u.test(text))) {
		refuse(`${name}: not 1-${max} printable characters`);
	}
}

const encoder = new TextEncoder();

/** Counts the bytes of a text in UTF-8. */
export const byteLength = (text: string): number => encoder.encode(text).length;
