import { attempt } from "./attempt.ts";
import { parseJson, toJson } from "./originals.ts";

/** Access to `localStorage` as JSON. Nothing throws: an unreadable value is absent, a failed write is skipped. */

export const readLocal = (key: string): unknown => attempt(() => parseJson(localStorage.getItem(key) as string));

/** Returns true if the value was stored. A storage may also forget what it is given, without an error. */
export const writeLocal = (key: string, value: unknown) =>
	attempt(() => {
		const text = toJson(value);
		localStorage.setItem(key, text);
		return localStorage.getItem(key) === text;
	});

export const removeLocal = (key: string) => attempt(() => localStorage.removeItem(key));

/** Lists the keys that begin with a prefix, without the prefix. */
export const localKeys = (prefix: string): string[] =>
	attempt(() => Object.keys(localStorage).flatMap((key) => key.split(prefix).slice(1))) ?? [];
