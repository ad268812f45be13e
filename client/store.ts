import { promisifyRequest } from "idb-keyval";
import type { Event } from "../shared/event.ts";
import { within } from "./attempt.ts";
import { localKeys, readLocal, removeLocal, writeLocal } from "./local.ts";

/**
 * Time in ms after which a call to IndexedDB counts as failed, as Safari may never answer:
 * https://bugs.webkit.org/show_bug.cgi?id=226547
 */
const timeoutMs = 3_000;

/** Selection of stored events. Gets the ids of all of them, and returns a filter for the ids to read. */
type Select = (stored: ReadonlySet<string>) => (id: string) => boolean;

/** Makes a set without iterators, which a page may have replaced. */
export const toSet = <Item>(list: readonly Item[]): Set<Item> => {
	const set = new Set<Item>();
	list.forEach((item) => set.add(item));
	return set;
};

/** Calls `then` with the ids of the events in IndexedDB. */
const withIds = (events: IDBObjectStore, then: (ids: string[]) => void) => {
	const request = events.getAllKeys();
	request.onsuccess = () => then(request.result as string[]);
};

/**
 * Creates the store in which events outlive the page. It is IndexedDB, and localStorage as the page unloads and after
 * IndexedDB has failed. Its promises never reject.
 * @param onLost Called when IndexedDB fails, with the cause, and when the database is created anew, without one.
 * Somebody can delete it while the page runs.
 */
export const createEventStore = (name: string, onLost: (cause?: unknown) => void) => {
	let database: Promise<IDBDatabase> | undefined;
	const prefix = `${name}:event:`;
	let isBroken = false;

	/** Does work in one transaction of IndexedDB, which ends before the promise resolves. */
	const change = async (work: (events: IDBObjectStore) => void): Promise<unknown> => {
		if (!database) {
			const request = indexedDB.open(name);
			request.onupgradeneeded = () => {
				request.result.createObjectStore("events");
				onLost();
			};
			database = promisifyRequest(request);
		}
		const opened = await database;
		// An open connection would keep others from deleting the database.
		// https://developer.mozilla.org/docs/Web/API/IDBDatabase/versionchange_event
		opened.onversionchange = () => opened.close();
		const transaction = opened.transaction("events", "readwrite");
		work(transaction.objectStore("events"));
		return promisifyRequest(transaction);
	};

	/**
	 * Does work in IndexedDB, trying twice. Resolves to true if it is done there.
	 * @param tries 2 to try even after IndexedDB has failed.
	 */
	const works = async (work: (events: IDBObjectStore) => void, tries = isBroken ? 0 : 2): Promise<unknown> => {
		while (tries--) {
			try {
				await within(timeoutMs, () => change(work));
				// After another call has failed, nobody reads what this one has written to IndexedDB.
				return !isBroken;
			} catch (cause) {
				// The next try opens the database again, as Safari may have closed it without an event.
				// https://bugs.webkit.org/show_bug.cgi?id=273827
				database = undefined;
				// Only the first failure is reported, not the failures of other calls under way.
				if (!tries && !isBroken) {
					isBroken = true;
					onLost(cause);
				}
			}
		}
		return false;
	};

	/** Writes to localStorage, which is done at once. Returns the events that had room. */
	const spill = (events: Event[]): Event[] => events.filter((event) => writeLocal(prefix + event.id, event));

	/** Deletes from both storages, so that nothing comes back from an IndexedDB that failed and works again. */
	const erase = async (ids: string[], work: (events: IDBObjectStore) => void): Promise<void> => {
		ids.forEach((id) => removeLocal(prefix + id));
		const erased = works(work, 2);
		// Does not wait for a failed IndexedDB, which may use up the timeout again.
		if (!isBroken) await erased;
	};

	return {
		/** Reads the selected events, first from localStorage, which has the newer copies. */
		async _read(select: Select): Promise<Event[]> {
			let found: Event[] = [];
			/** Selects of these ids and the ones in localStorage, and reads from there. */
			const look = (ids: string[]): string[] => {
				const isWanted = select(toSet(ids.concat(localKeys(prefix))));
				found = localKeys(prefix)
					.filter(isWanted)
					.map((id) => readLocal(prefix + id) as Event);
				return ids.filter(isWanted);
			};
			const isRead = await works((events) =>
				withIds(events, (ids) =>
					look(ids).forEach((id) => {
						const request = events.get(id);
						request.onsuccess = () => found.push(request.result);
					}),
				),
			);
			if (!isRead) look([]);
			return found;
		},

		/**
		 * Resolves to the events that were stored. Skips events that another tab has delivered, which were in the store and
		 * are gone, and, when falling back to localStorage, events that are no longer pending.
		 */
		async _write(written: Event[], stored: ReadonlySet<string>, pending: ReadonlyMap<string, Event>): Promise<Event[]> {
			const isWritten = await works((events) => {
				const put = (ids?: string[]) => {
					written.forEach((event) => {
						if (!stored.has(event.id) || ids?.includes(event.id) || readLocal(prefix + event.id))
							events.put(event, event.id);
					});
					// Commits without delay, as a page that unloads aborts its transactions.
					// https://developer.mozilla.org/docs/Web/API/IDBTransaction/commit
					events.transaction.commit?.();
				};
				if (written.some((event) => stored.has(event.id))) withIds(events, put);
				else put();
			});
			if (!isWritten) return spill(written.filter((event) => pending.has(event.id)));
			// A write that ends after its time limit does not get here: the copies have replaced it.
			written.forEach((event) => removeLocal(prefix + event.id));
			return written;
		},

		_spill: spill,

		/** Deletes events. Resolves when no other tab can read them any more. */
		_remove: (ids: string[]) => erase(ids, (events) => ids.forEach((id) => events.delete(id))),

		_wipe: () => erase(localKeys(prefix), (events) => events.clear()),
	};
};
