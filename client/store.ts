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

	const transact = async (mode: IDBTransactionMode): Promise<IDBObjectStore> => {
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
		return opened.transaction("events", mode).objectStore("events");
	};

	/**
	 * Does work in IndexedDB, trying twice, or else falls back.
	 * @param isForced Tries even after IndexedDB has failed.
	 */
	const attempt = async <Result>(
		work: () => Promise<Result>,
		fallback: () => Result,
		tries = isBroken ? 0 : 2,
	): Promise<Result> => {
		while (tries--) {
			try {
				const result = await within(timeoutMs, work);
				// After another call has failed, nobody reads what this one has written to IndexedDB.
				return isBroken ? fallback() : result;
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
		return fallback();
	};

	const change = async (work: (events: IDBObjectStore) => unknown): Promise<unknown> => {
		const events = await transact("readwrite");
		return Promise.all([promisifyRequest(events.transaction), work(events)]);
	};

	const readSpilled = (isWanted: (id: string) => boolean): Event[] =>
		localKeys(prefix)
			.filter(isWanted)
			.map((id) => readLocal(prefix + id) as Event);

	/** Writes to localStorage, which is done at once. Returns the events that had room. */
	const spill = (events: Event[]): Event[] => events.filter((event) => writeLocal(prefix + event.id, event));

	/** Deletes from both storages, so that nothing comes back from an IndexedDB that failed and works again. */
	const erase = async (ids: string[], work: (events: IDBObjectStore) => void): Promise<void> => {
		for (const id of ids) removeLocal(prefix + id);
		const erased = attempt<unknown>(
			() => change(work),
			() => {},
			2,
		);
		// Does not wait for a failed IndexedDB, which may use up the timeout again.
		if (!isBroken) await erased;
	};

	/** Reads the selected events, first from localStorage, which has the newer copies. */
	const read = (select: Select): Promise<Event[]> =>
		attempt(
			async () => {
				const events = await transact("readonly");
				const ids = (await promisifyRequest(events.getAllKeys())) as string[];
				// Nothing can move from localStorage to IndexedDB during this transaction, so no event is missed.
				const isWanted = select(new Set([...ids, ...localKeys(prefix)]));
				return [
					...readSpilled(isWanted),
					...(await Promise.all(ids.filter(isWanted).map((id) => promisifyRequest<Event>(events.get(id))))),
				];
			},
			() => readSpilled(select(new Set(localKeys(prefix)))),
		);

	/**
	 * Writes events. Skips an event that was stored and is gone, as another tab has delivered it. If IndexedDB fails,
	 * writes the events that are still `pending` to localStorage. Resolves to the events that need no further write.
	 */
	const write = (
		written: Event[],
		stored: ReadonlySet<string>,
		pending: ReadonlyMap<string, Event>,
	): Promise<Event[]> =>
		attempt(
			async () => {
				await change(async (events) => {
					await Promise.all(
						written.map(
							async (event) =>
								(!stored.has(event.id) ||
									readLocal(prefix + event.id) ||
									(await promisifyRequest(events.getKey(event.id)))) &&
								events.put(event, event.id),
						),
					);
					// Commits without delay, as a page that unloads aborts its transactions.
					// https://developer.mozilla.org/docs/Web/API/IDBTransaction/commit
					events.transaction.commit?.();
				});
				// A write that ends after its time limit must not remove the copies that have replaced it.
				if (!isBroken) for (const event of written) removeLocal(prefix + event.id);
				return written;
			},
			() => spill(written.filter((event) => pending.has(event.id))),
		);

	/** Deletes events. Resolves when no other tab can read them any more. */
	const remove = (ids: string[]) => erase(ids, (events) => ids.map((id) => events.delete(id)));

	const wipe = () => erase(localKeys(prefix), (events) => events.clear());

	return [read, write, spill, remove, wipe] as const;
};
