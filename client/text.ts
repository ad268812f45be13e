import { attempt } from "./attempt.ts";

/** Throws the TypeError that becomes a `rejected` notice. */
export const refuse = (reason: string): never => {
	throw new TypeError(reason);
};

/** Refuses a value that is not a text of 1 to `max` UTF-16 units, or has control characters or lone surrogates. */
export const checkText = (text: unknown, max: number, name: string): string =>
	typeof text !== "string" || !text || text.length > max || /[^ -~\xa0-\uffff]/.test(text)
		? refuse(`${name}: not 1-${max} printable characters`)
		: text;

/** Counts the bytes of a text in UTF-8, or its UTF-16 units without TextEncoder, as in Jest's jsdom. */
export const byteLength = (text: string): number => (attempt(() => new TextEncoder().encode(text)) ?? text).length;

/** Texts of missing values, which name nobody. */
const nobody = /^(undefined|null|NaN|false|\[object Object])?$/;

/**
 * Reads a name or id, which may be a number, as text without white space around it. Undefined if it names nobody; a text
 * that is too long or not printable is refused.
 */
export const readName = (value: unknown, max: number, name: string): string | undefined => {
	if (!/str|num/.test(typeof value)) return;
	const text = `${value}`.trim();
	if (!nobody.test(text)) return checkText(text, max, name);
};
