/** Access to `localStorage` as JSON. Nothing throws: an unreadable value is absent, a failed write is skipped. */

import { parseJson, toJson } from "./originals.ts";

function attempt<Result>(work: (storage: Storage) => Result): Result | undefined {
	try {
		return work(localStorage);
	} catch {}
}

export const readLocal = (key: string): unknown => attempt((storage) => parseJson(storage.getItem(key) as string));

/** Returns true if the value was stored, else undefined. */
export const writeLocal = (key: string, value: unknown) =>
	attempt((storage) => {
		storage.setItem(key, toJson(value));
		return true;
	});

export const removeLocal = (key: string) => attempt((storage) => storage.removeItem(key));

/** Lists the keys that begin with a prefix, without the prefix. */
export const localKeys = (prefix: string): string[] =>
	attempt((storage) => Object.keys(storage).flatMap((key) => key.split(prefix)[1] ?? [])) ?? [];
