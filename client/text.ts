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

// Every supported browser has TextEncoder; Jest's jsdom lacks it, and importing the package there must not throw.
const encoder = globalThis.TextEncoder && new TextEncoder();

/** Counts the bytes of a text in UTF-8, or its UTF-16 units where nothing counts bytes. */
export const byteLength = (text: string): number => (encoder ? encoder.encode(text) : text).length;

/** Texts of missing values, which name nobody. */
const nobody = ["", "undefined", "null", "NaN", "false", "[object Object]"];

/**
 * Reads a name or id, which may be a number, as text without white space around it. Undefined if it names nobody; a text
 * that is too long or not printable is refused.
 */
export function readName(value: unknown, max: number, name: string): string | undefined {
	const text = `${value}`.trim();
	if (nobody.includes(text)) return;
	checkText(text, max, name);
	return text;
}
