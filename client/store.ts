import { promisifyRequest } from "idb-keyval";
import type { Event } from "../shared/event.ts";
import { localKeys, readLocal, removeLocal, writeLocal } from "./local.ts";

/** Past this many ms IndexedDB counts as hanging. */
const patience = 3_000;

/** All ids there are, and the events among them that were asked for. */
type Found = [ids: string[], events: Event[]];

/** Where events outlive the page: IndexedDB, and localStorage from the moment that fails. Nothing here rejects. */
export function createEventStore(name: string, failed: (cause: unknown) => void) {
	let database: Promise<IDBDatabase> | undefined;
	const prefix = `${name}:event:`;
	let isBroken = false;

	const open = () => {
		const request = indexedDB.open(name);
		request.onupgradeneeded = () => request.result.createObjectStore("events");
		return promisifyRequest(request);
	};

	const transact = async (mode: IDBTransactionMode): Promise<IDBObjectStore> => {
		database ??= open();
		return (await database).transaction("events", mode).objectStore("events");
	};

	const attempt = async <Result>(
		work: () => Promise<Result>,
		otherwise: () => Result,
		isForced = !isBroken,
	): Promise<Result> => {
		// The second try opens the database again: Safari closes it and tells nobody.
		for (const isLast of isForced ? [false, true] : []) {
			let used: typeof database;
			try {
				const working = work();
				used = database;
				return await Promise.race([
					working,
					new Promise<never>((_, reject) => setTimeout(reject, patience, "it hangs")),
				]);
			} catch (cause) {
				if (used === database) database = undefined;
				// Of all that were under way, the first tells.
				if (isLast && !isBroken) {
					isBroken = true;
					failed(cause);
				}
			}
		}
		return otherwise();
	};

	const change = async (work: (events: IDBObjectStore) => void) => {
		const events = await transact("readwrite");
		work(events);
		return promisifyRequest(events.transaction);
	};

	const readSpilled = (isWanted: (id: string) => boolean): Found => {
		const ids = localKeys(prefix).map((key) => key.slice(prefix.length));
		return [ids, ids.filter(isWanted).map((id) => readLocal(prefix + id) as Event)];
	};

	/** Writes at once, for the moment a page goes. Returns what is kept: what is too large costs the others nothing. */
	const spill = (events: Event[]): Event[] => events.filter((event) => writeLocal(prefix + event.id, event));

	/** From IndexedDB even after it failed: what it has must not come back. */
	const erase = (ids: string[], work: (events: IDBObjectStore) => void) => {
		for (const id of ids) removeLocal(prefix + id);
		attempt<void>(
			() => change(work),
			() => {},
			true,
		);
	};

	return {
		spill,
		/** What `spill` has written. */
		readSpilled,
		read: (isWanted: (id: string) => boolean): Promise<Found> =>
			attempt(
				async () => {
					const events = await transact("readonly");
					const ids = (await promisifyRequest(events.getAllKeys())) as string[];
					const wanted = ids.filter(isWanted).map((id) => promisifyRequest<Event>(events.get(id)));
					return [ids, await Promise.all(wanted)];
				},
				() => readSpilled(isWanted),
			),
		/** Resolves to what is kept. */
		write: (written: Event[]): Promise<Event[]> =>
			attempt(
				async () => {
					await change((events) => written.map((event) => events.put(event, event.id)));
					for (const { id } of written) removeLocal(prefix + id);
					return written;
				},
				() => spill(written),
			),
		remove: (ids: string[]) => erase(ids, (events) => ids.map((id) => events.delete(id))),
		clear: () => erase(readSpilled(() => false)[0], (events) => events.clear()),
	};
}
