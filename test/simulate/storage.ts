/** Disk of a browser: `localStorage`, and one object store per IndexedDB database, as JSON. */
export interface Disk {
	items: Map<string, string>;
	databases: Map<string, Map<string, string>>;
}

/** Runs `work` after `ms`, unless the page has gone by then. */
type After = (work: () => void, ms: number) => void;

/** Time from the start of a transaction to the answers to its requests. */
const answerMs = 1;
/** Time from the answers until the transaction is on disk. */
const commitMs = 3;

/** Creates the `localStorage` of a page. `changed` is called for each write, to notify the browser's other pages. */
export function localStorageOf({ items }: Disk, changed: (key: string) => void): Storage {
	const methods = {
		getItem: (key: string) => items.get(key) ?? null,
		setItem(key: string, value: string) {
			items.set(key, String(value));
			changed(key);
		},
		removeItem(key: string) {
			if (items.delete(key)) changed(key);
		},
	};
	return new Proxy(methods, {
		set: (_, key, value) => {
			methods.setItem(String(key), value);
			return true;
		},
		deleteProperty: (_, key) => {
			methods.removeItem(String(key));
			return true;
		},
		get: (_, key) => methods[key as keyof typeof methods] ?? items.get(String(key)),
		ownKeys: () => [...items.keys()],
		getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
	}) as unknown as Storage;
}

interface Request {
	result: unknown;
	error: unknown;
	onsuccess?(event: { target: Request }): void;
	onupgradeneeded?(event: { target: Request }): void;
}

/** Creates a transaction. It answers its requests in order, and writes its changes to disk together or not at all. */
function transaction(stored: Map<string, string>, after: After) {
	const changes: [key: string | undefined, value: string | undefined][] = [];
	const waiting: (() => void)[] = [];
	const self: { error: unknown; oncomplete?(): void } = { error: null };

	const read = (key: string) => {
		const change = changes.findLast(([changed]) => changed === key || changed === undefined);
		return change ? change[1] : stored.get(key);
	};
	const keys = () =>
		[...new Set([...stored.keys(), ...changes.flatMap(([key]) => key ?? [])])]
			.filter((key) => read(key) !== undefined)
			.sort();

	const request = (work: () => unknown): Request => {
		const made: Request = { result: undefined, error: null };
		waiting.push(() => {
			made.result = work();
			made.onsuccess?.({ target: made });
		});
		return made;
	};
	const change = (key: string | undefined, value: string | undefined) => request(() => void changes.push([key, value]));
	const parsed = (text: string | undefined) => (text === undefined ? undefined : JSON.parse(text));

	function commit(): void {
		for (const [key, value] of changes) {
			if (key === undefined) stored.clear();
			else if (value === undefined) stored.delete(key);
			else stored.set(key, value);
		}
		self.oncomplete?.();
	}
	function answer(): void {
		for (const each of waiting.splice(0)) each();
		// Commit unless the answers led to new requests:
		// https://developer.mozilla.org/en-US/docs/Web/API/IDBTransaction/commit
		after(() => (waiting.length > 0 ? answer() : commit()), commitMs);
	}
	after(answer, answerMs);

	return {
		objectStore: () => ({
			transaction: self,
			put: (value: unknown, key: string) => {
				const copy = JSON.stringify(value);
				return change(key, copy);
			},
			delete: (key: string) => change(key, undefined),
			clear: () => change(undefined, undefined),
			get: (key: string) => request(() => parsed(read(key))),
			getKey: (key: string) => request(() => (read(key) === undefined ? undefined : key)),
			getAllKeys: () => request(keys),
			getAll: () => request(() => keys().map((key) => parsed(read(key)))),
		}),
	};
}

/** Creates the part of `indexedDB` that the snippet uses: databases with one object store each. */
export function indexedDbOf({ databases }: Disk, after: After) {
	return {
		open(name: string): Request {
			const request: Request = { result: undefined, error: null };
			after(() => {
				const found = databases.get(name);
				const stored = found ?? new Map<string, string>();
				databases.set(name, stored);
				request.result = { createObjectStore() {}, transaction: () => transaction(stored, after) };
				if (!found) request.onupgradeneeded?.({ target: request });
				request.onsuccess?.({ target: request });
			}, answerMs);
			return request;
		},
	};
}
