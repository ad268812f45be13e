/** `localStorage` as JSON. Nothing here throws: where it is denied, full or unreadable, nothing is in it. */

function attempt<Result>(work: (storage: Storage) => Result, otherwise: Result): Result {
	try {
		return work(localStorage);
	} catch {
		return otherwise;
	}
}

export const readLocal = (key: string): unknown => attempt((storage) => JSON.parse(storage[key]) as unknown, null);

/** Says whether the value is kept. */
export const writeLocal = (key: string, value: unknown): boolean =>
	attempt((storage) => {
		storage.setItem(key, JSON.stringify(value));
		return true;
	}, false);

export const removeLocal = (key: string): void => attempt((storage) => storage.removeItem(key), undefined);

export const localKeys = (prefix: string): string[] =>
	attempt((storage) => Object.keys(storage).filter((key) => key.startsWith(prefix)), []);
