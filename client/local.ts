/** `localStorage` as JSON. Nothing here throws: where it is denied, full or unreadable, nothing is in it. */

function attempt<Result>(work: () => Result, otherwise: Result): Result {
	try {
		return work();
	} catch {
		return otherwise;
	}
}

export const readLocal = (key: string): unknown =>
	attempt(() => JSON.parse(localStorage.getItem(key) ?? "null") as unknown, null);

/** Says whether the value is kept. */
export const writeLocal = (key: string, value: unknown): boolean =>
	attempt(() => {
		localStorage.setItem(key, JSON.stringify(value));
		return true;
	}, false);

export const removeLocal = (key: string): void => attempt(() => localStorage.removeItem(key), undefined);

export const localKeys = (prefix: string): string[] =>
	attempt(() => Object.keys(localStorage).filter((key) => key.startsWith(prefix)), []);
