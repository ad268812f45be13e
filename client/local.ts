/** `localStorage` as JSON. Nothing here throws: where it is denied, full or unreadable, nothing is in it. */

function attempt<Result>(work: (storage: Storage) => Result): Result | undefined {
	try {
		return work(localStorage);
	} catch {}
}

export const readLocal = (key: string): unknown =>
	attempt((storage) => JSON.parse(storage.getItem(key) as string) as unknown);

/** Says whether the value is kept. */
export const writeLocal = (key: string, value: unknown) =>
	attempt((storage) => {
		storage.setItem(key, JSON.stringify(value));
		return true;
	});

export const removeLocal = (key: string) => attempt((storage) => storage.removeItem(key));

export const localKeys = (prefix: string): string[] =>
	attempt((storage) => Object.keys(storage).flatMap((key) => key.split(prefix)[1] ?? [])) ?? [];
