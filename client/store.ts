import { promisifyRequest } from "idb-keyval";
import type { Event } from "../shared/event.ts";
import { localKeys, readLocal, removeLocal, writeLocal } from "./local.ts";

/** Past this many ms IndexedDB counts as hanging. */
const patience = 3_000;

/** Is told all ids there are at one moment, and says which events are wanted. */
type Look = (there: ReadonlySet<string>) => (id: string) => boolean;

/**
 * Where events outlive the page: IndexedDB, and localStorage as the page goes and from the moment IndexedDB fails.
 * Nothing here rejects. `emptied` is told when what was stored is out of reach: with a cause when IndexedDB has
 * failed, without one when its database was made anew, be it under a running page.
 */
export function createEventStore(name: string, emptied: (cause?: unknown) => void) {
	let database: Promise<IDBDatabase> | undefined;
	const prefix = `${name}:event:`;
	let isBroken = false;

	const transact = async (mode: IDBTransactionMode): Promise<IDBObjectStore> => {
		if (!database) {
			const request = indexedDB.open(name);
			request.onupgradeneeded = () => {
				request.result.createObjectStore("events");
				emptied();
			};
			database = promisifyRequest(request);
		}
		const opened = await database;
		// Who deletes the database would wait for us.
		opened.onversionchange = () => opened.close();
		return opened.transaction("events", mode).objectStore("events");
	};

	const attempt = async <Result>(
		work: () => Promise<Result>,
		otherwise: () => Result,
		isForced = !isBroken,
	): Promise<Result> => {
		// The second try opens the database again: Safari closes it and tells nobody.
		for (const tried of isForced ? [0, 1] : []) {
			try {
				return await Promise.race([work(), new Promise<never>((_, reject) => setTimeout(reject, patience))]);
			} catch (cause) {
				database = undefined;
				// Of all that were under way, the first tells.
				if (tried && !isBroken) {
					isBroken = true;
					emptied(cause ?? "failed");
				}
			}
		}
		return otherwise();
	};

	const change = async (work: (events: IDBObjectStore) => unknown): Promise<unknown> => {
		const events = await transact("readwrite");
		return Promise.all([promisifyRequest(events.transaction), work(events)]);
	};

	const readSpilled = (isWanted: (id: string) => boolean): Event[] =>
		localKeys(prefix)
			.filter(isWanted)
			.map((id) => readLocal(prefix + id) as Event);

	/** Writes at once, for the moment a page goes. Returns what is kept: what is too large costs the others nothing. */
	const spill = (events: Event[]): Event[] => events.filter((event) => writeLocal(prefix + event.id, event));

	/** From IndexedDB even after it failed: what it has must not come back. */
	const erase = async (ids: string[], work: (events: IDBObjectStore) => void): Promise<void> => {
		for (const id of ids) removeLocal(prefix + id);
		const erased = attempt<unknown>(
			() => change(work),
			() => {},
			true,
		);
		// What is broken may hang.
		if (!isBroken) await erased;
	};

	return {
		_spill: spill,
		/** What was written as a page went is in its latest form, so it comes first. */
		_read: (look: Look): Promise<Event[]> =>
			attempt(
				async () => {
					const events = await transact("readonly");
					const ids = (await promisifyRequest(events.getAllKeys())) as string[];
					// While this transaction lasts nothing can move from localStorage to IndexedDB.
					const isWanted = look(new Set([...ids, ...localKeys(prefix)]));
					return [
						...readSpilled(isWanted),
						...(await Promise.all(ids.filter(isWanted).map((id) => promisifyRequest<Event>(events.get(id))))),
					];
				},
				() => readSpilled(look(new Set(localKeys(prefix)))),
			),
		/**
		 * Resolves to what is kept. What was there once and is no more has been delivered by another tab: a change of it
		 * is not written; nor is what is not `pending` any more by the time that it goes to localStorage instead.
		 */
		_write: (
			written: Event[],
			wasThere: ReadonlyMap<string, boolean | undefined>,
			pending: ReadonlyMap<string, Event>,
		): Promise<Event[]> =>
			attempt(
				async () => {
					await change(async (events) => {
						await Promise.all(
							written.map(
								async (event) =>
									(!wasThere.get(event.id) ||
										readLocal(prefix + event.id) ||
										(await promisifyRequest(events.getKey(event.id)))) &&
									events.put(event, event.id),
							),
						);
						// A page that goes takes what is not committed with it.
						events.transaction.commit();
					});
					for (const { id } of written) removeLocal(prefix + id);
					return written;
				},
				() => spill(written.filter(({ id }) => pending.has(id))),
			),
		/** Resolves when no other tab can find them any more. */
		_remove: (ids: string[]) => erase(ids, (events) => ids.map((id) => events.delete(id))),
		_wipe: () => erase(localKeys(prefix), (events) => events.clear()),
	};
}
