/** `localStorage` as JSON. Nothing here throws: where it is denied, full or unreadable, nothing is in it. */

function attempt<Result, Otherwise = undefined>(work: (storage: Storage) => Result, otherwise?: Otherwise) {
	try {
		return work(localStorage);
	} catch {
		return otherwise as Otherwise;
	}
}

export const readLocal = (key: string): unknown => attempt((storage) => JSON.parse(storage[key]) as unknown);

/** Says whether the value is kept. */
export const writeLocal = (key: string, value: unknown) =>
	attempt((storage) => {
		storage.setItem(key, JSON.stringify(value));
		return true;
	});

export const removeLocal = (key: string): void => attempt((storage) => storage.removeItem(key));

export const localKeys = (prefix: string): string[] =>
	attempt((storage) => Object.keys(storage).filter((key) => key.startsWith(prefix)), [] as string[]);
