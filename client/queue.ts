import type { Event, Limits } from "../shared/event.ts";
import { type Identity, isIdentified, isSamePerson } from "./identity.ts";
import type { NoticeKind, Notify } from "./notices.ts";
import { readClock, toJson } from "./originals.ts";
import { createEventStore } from "./store.ts";

const ageMs: Limits["ageMs"] = 2_592_000_000;
/** Maximum number of events of identified visitors, which are ready to be sent. */
const maxWaiting = 1_000;
/** Maximum number of events from before a login. */
const maxHeld = 500;
/**
 * Time in ms after which an event is stored, together with all later ones. An event that is delivered sooner is never
 * written.
 */
const saveMs = 400;

export type Queue = ReturnType<typeof createQueue>;

/**
 * Creates the queue of all events not yet acknowledged, in order of capture. They are in memory, so that a page can
 * send them as it unloads, and after `_begin()` also in the store, so that they outlive the page.
 * @param visitor Returns the current visitor.
 */
export function createQueue(name: string, visitor: () => Identity, notify: Notify) {
	const events = new Map<string, Event>();
	/** Ids of events whose latest version is not stored, each with its time of capture, or 0 to be stored at once. */
	const unsaved = new Map<string, number>();
	/**
	 * Ids of events that may be in the store, and must be removed from it once settled. Undefined: their first write has
	 * begun. True: they are written, so an event that the store lacks later was delivered by another tab. False: the
	 * store failed or was made anew and may lack them, so they are written again.
	 */
	const stored = new Map<string, boolean | undefined>();
	/** Latest removal from the store. It ends last, as the store works in order. */
	let removal: Promise<void> | undefined;
	let isOpen = false;
	let isSaving = false;

	const all = () => [...events.values()];

	/** Lists the latest events that wait for delivery, or for a login, up to their maximum number and age. */
	const list = (isWaiting: boolean) =>
		all()
			.filter(({ person, at }) => isIdentified(person) === isWaiting && at > readClock() - ageMs)
			.slice(isWaiting ? -maxWaiting : -maxHeld);

	const forget = ({ id }: { id: string }) => {
		events.delete(id);
		unsaved.delete(id);
		stored.delete(id);
	};

	const store = createEventStore(name, (cause) => {
		if (cause) notify("error", "IndexedDB failed", [], cause);
		for (const id of events.keys()) {
			unsaved.set(id, 0);
			// An event that the store lacks now was not delivered by another tab.
			stored.set(id, false);
		}
		void save();
	});

	/** Removes events for good, with a notice. Resolves when no other tab can read them any more; never rejects. */
	const settle = async (kind: NoticeKind, settled: Event[], reason: string) => {
		const taken = settled.filter(({ id }) => events.has(id));
		if (taken.length) {
			if (taken.some(({ id }) => stored.has(id))) removal = store._remove(taken.map(({ id }) => id));
			taken.forEach(forget);
			notify(kind, reason, taken);
		}
		await removal;
	};

	/** Stores events now. Never rejects. */
	const put = async (written: Event[]) => {
		for (const { id } of written) stored.set(id, stored.get(id));
		for (const { id } of await store._write(written, stored, events)) if (events.has(id)) stored.set(id, true);
		for (const event of written) if (events.get(event.id) === event) unsaved.delete(event.id);
	};

	/** Stores unsaved events 400 ms after their capture, and drops old or surplus events. Never rejects. */
	const save = async () => {
		if (isSaving) return;
		isSaving = true;
		while (isSaving) {
			const [since = 0] = unsaved.values();
			// Takes the absolute difference, as the clock may have been set back.
			const left = saveMs - Math.abs(readClock() - since);
			// A hidden page does not wait, as its timers are throttled.
			// https://developer.chrome.com/blog/timer-throttling-in-chrome-88
			if (left > 0 && !document.hidden) await new Promise((resolve) => setTimeout(resolve, left));
			else {
				const kept = new Set([...list(true), ...list(false)]);
				void settle(
					"dropped",
					all().filter((event) => !kept.has(event)),
					"too many or old",
				);
				isSaving = isOpen && unsaved.size > 0;
				if (isSaving) await put(all().filter(({ id }) => unsaved.has(id)));
			}
		}
	};

	/**
	 * Gives held events to the visitor, drops held events of another visitor, and gives the visitor's waiting events a
	 * newer token. A visitor who is new to this browser gets all held events: they are from before the browser lost its
	 * localStorage, or from a tab that was opened in the same moment.
	 * @param isFollower True if another tab has changed the visitor. That tab updates the store.
	 */
	const assign = (isFollower?: boolean) => {
		const { isNew, ...person } = visitor();
		const others: Event[] = [];
		for (const event of all().sort((a, b) => (a.id > b.id ? 1 : -1))) {
			const before = event.person;
			let after = before;
			if (isIdentified(before)) {
				if (person.token && isSamePerson(before, person)) after = { ...before, ...person };
			} else if (isNew || before.anonymousId === person.anonymousId) after = person;
			else others.push(event);
			// Inserts the event anew, so that the map is in order of capture.
			events.delete(event.id);
			const isChanged = toJson(after) !== toJson(before);
			events.set(event.id, isChanged ? { ...event, person: after } : event);
			if (isChanged) unsaved.set(event.id, 0);
		}
		if (isFollower) others.forEach(forget);
		void settle("dropped", others, "reset");
		void save();
	};

	return {
		_pending: events as ReadonlyMap<string, Event>,
		_list: list,
		_settle: settle,
		_assign: assign,
		_capture(event: Event) {
			events.set(event.id, event);
			unsaved.set(event.id, readClock());
			void save();
		},
		/** Starts storing events, and gives held events to the visitor. */
		_begin() {
			isOpen = true;
			assign();
		},
		/** Reads from the store: adds the events of other tabs, and forgets events that other tabs have delivered. */
		async _sync() {
			if (!isOpen) return;
			// An event that is settled while the store is read must not come back.
			const before = new Map(events);
			const found = await store._read((there) => {
				for (const [id, isThere] of stored) if (isThere && !there.has(id)) forget({ id });
				return (id) => !before.has(id) && !events.has(id);
			});
			for (const event of found as (Event | null | undefined)[]) {
				if (!isOpen || !event?.person || events.has(event.id)) continue;
				events.set(event.id, event);
				stored.set(event.id, true);
			}
			if (found.length) assign();
		},
		/** Writes unsaved events to localStorage at once, for a page that unloads. */
		_spill() {
			if (!isOpen) return;
			const unwritten = all().filter(({ id }) => unsaved.has(id) || !stored.get(id));
			for (const { id } of store._spill(unwritten)) stored.set(id, true);
			// Writes to IndexedDB too, as localStorage may be full.
			if (unwritten.length) void put(unwritten);
		},
		/** Deletes all events, in the store too, and stores nothing until the next `_begin()`. */
		_wipe() {
			isOpen = false;
			all().forEach(forget);
			void store._wipe();
		},
	};
}
