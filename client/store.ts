import { createStore, promisifyRequest } from "idb-keyval";
import type { Event } from "../shared/event.ts";
import { localKeys, readLocal, removeLocal, writeLocal } from "./local.ts";

/** Past this many ms IndexedDB counts as hanging. */
const patience = 3_000;

/** All ids there are, and the events among them that were asked for. */
type Found = [ids: string[], events: Event[]];

function orTimeout<Result>(work: Promise<Result>): Promise<Result> {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new Error("IndexedDB hangs")), patience);
		work.then(resolve, reject).finally(() => clearTimeout(timer));
	});
}

/** Where events outlive the page: IndexedDB, and localStorage from the moment that fails. Nothing here rejects. */
export function createEventStore(name: string, failed: (cause: unknown) => void) {
	const database = createStore(name, "events");
	const prefix = `${name}:event:`;
	let isBroken = false;

	const attempt = async <Result>(work: () => Promise<Result>, otherwise: () => Result): Promise<Result> => {
		if (!isBroken) {
			try {
				return await orTimeout(work());
			} catch (cause) {
				// Of all that were under way, the first tells.
				if (!isBroken) {
					isBroken = true;
					failed(cause);
				}
			}
		}
		return otherwise();
	};

	const change = (work: (events: IDBObjectStore) => void) =>
		database("readwrite", (events) => {
			work(events);
			return promisifyRequest(events.transaction);
		});

	const readSpilled = (isWanted: (id: string) => boolean): Found => {
		const ids = localKeys(prefix).map((key) => key.slice(prefix.length));
		return [ids, ids.filter(isWanted).map((id) => readLocal(prefix + id) as Event)];
	};

	/** Writes at once, for the moment a page goes. Says whether all are kept. */
	const spill = (events: Event[]): boolean => events.every((event) => writeLocal(prefix + event.id, event));

	const removeSpilled = (ids: string[]) => {
		for (const id of ids) removeLocal(prefix + id);
	};

	return {
		spill,
		/** What `spill` has written. */
		readSpilled,
		read: (isWanted: (id: string) => boolean): Promise<Found> =>
			attempt(
				() =>
					database("readonly", async (events) => {
						const ids = (await promisifyRequest(events.getAllKeys())) as string[];
						const wanted = ids.filter(isWanted).map((id) => promisifyRequest<Event>(events.get(id)));
						return [ids, await Promise.all(wanted)];
					}),
				() => readSpilled(isWanted),
			),
		/** Resolves to whether they are kept. */
		write: (written: Event[]): Promise<boolean> =>
			attempt(
				async () => {
					await change((events) => written.map((event) => events.put(event, event.id)));
					removeSpilled(written.map(({ id }) => id));
					return true;
				},
				() => spill(written),
			),
		remove(ids: string[]) {
			removeSpilled(ids);
			attempt(
				() => change((events) => ids.map((id) => events.delete(id))),
				() => {},
			);
		},
		clear() {
			removeSpilled(readSpilled(() => false)[0]);
			attempt(
				() => change((events) => events.clear()),
				() => {},
			);
		},
	};
}
