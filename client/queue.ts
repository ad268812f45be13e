import type { Event, Limits } from "../shared/event.ts";
import { type Identity, isIdentified, isSamePerson } from "./identity.ts";
import type { NoticeKind, Notify } from "./notices.ts";
import { readClock, toJson } from "./originals.ts";
import { createEventStore, toSet } from "./store.ts";

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
 * send them as it unloads, and while `isOpen()` also in the store, so that they outlive the page.
 * @param visitor Returns the current visitor.
 */
export const createQueue = (name: string, visitor: () => Identity, isOpen: () => boolean, notify: Notify) => {
	const events = new Map<string, Event>();
	/**
	 * Versions of events that were last given to the store, by id. Such an event must be removed from it once settled.
	 * Undefined: the store may have lost it.
	 */
	const saved = new Map<string, Event | undefined>();
	/** Ids of events that were written, so that an event that the store lacks was delivered by another tab. */
	const stored = new Set<string>();
	/** Latest removal from the store. It ends last, as the store works in order. */
	let removal: Promise<void> | undefined;
	let isSaving = false;

	const all = () => {
		const list: Event[] = [];
		events.forEach((event) => list.push(event));
		return list;
	};

	/** Lists the latest events that wait for delivery, or for a login, up to their maximum number and age. */
	const list = (isWaiting: boolean) =>
		all()
			.filter(({ person, at }) => !isIdentified(person) === !isWaiting && at > readClock() - ageMs)
			.slice(isWaiting ? -maxWaiting : -maxHeld);

	const forget = ({ id }: { id: string }) => {
		events.delete(id);
		saved.delete(id);
		stored.delete(id);
	};

	const isUnsaved = (event: Event) => saved.get(event.id) !== event;

	const store = createEventStore(name, (cause) => {
		if (cause) notify("error", "IndexedDB failed", [], cause);
		// An event that the store lacks now was not delivered by another tab.
		stored.clear();
		saved.forEach((_, id) => saved.set(id, undefined));
		void save();
	});

	/** Removes events for good, with a notice. Resolves when no other tab can read them any more; never rejects. */
	const settle = async (kind: NoticeKind, settled: Event[], reason: string) => {
		const taken = settled.filter((event) => events.has(event.id));
		if (taken.length) {
			if (saved.size) removal = store._remove(taken.map((event) => event.id));
			taken.forEach(forget);
			notify(kind, reason, taken);
		}
		await removal;
	};

	/** Stores events now. Never rejects. */
	const put = async (written: Event[]) => {
		written.forEach((event) => saved.set(event.id, event));
		(await store._write(written, stored, events)).forEach(({ id }) => events.has(id) && stored.add(id));
	};

	/** Stores unsaved events 400 ms after their capture, and drops old or surplus events. Never rejects. */
	const save = async () => {
		if (isSaving) return;
		isSaving = true;
		while (isSaving) {
			// A hidden page does not wait, as its timers are throttled.
			// https://developer.chrome.com/blog/timer-throttling-in-chrome-88
			if (!document.hidden) await new Promise((resolve) => setTimeout(resolve, saveMs));
			const kept = toSet(list(true).concat(list(false)));
			void settle(
				"dropped",
				all().filter((event) => !kept.has(event)),
				"old or too many",
			);
			const unsaved = all().filter(isUnsaved);
			isSaving = isOpen() && unsaved.length > 0;
			if (isSaving) await put(unsaved);
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
		all()
			.sort((a, b) => (a.id > b.id ? 1 : -1))
			.forEach((event) => {
				const before = event.person;
				let after = before;
				if (isIdentified(before)) {
					if (person.token && isSamePerson(before, person)) after = { ...before, ...person };
				} else if (isNew || before.anonymousId === person.anonymousId) after = person;
				else others.push(event);
				// Inserts the event anew, so that the map is in order of capture.
				events.delete(event.id);
				events.set(event.id, toJson(after) === toJson(before) ? event : { ...event, person: after });
			});
		if (isFollower) others.forEach(forget);
		else void settle("dropped", others, "reset");
		void save();
	};

	const capture = (event: Event) => {
		events.set(event.id, event);
		void save();
	};

	/** Reads from the store: adds the events of other tabs, and forgets events that other tabs have delivered. */
	const sync = async () => {
		if (!isOpen()) return;
		// An event that is settled while the store is read must not come back.
		const before = toSet(all().map(({ id }) => id));
		const found = await store._read((there) => {
			stored.forEach((id) => there.has(id) || forget({ id }));
			return (id) => !before.has(id) && !events.has(id);
		});
		(found as (Event | null | undefined)[]).forEach((event) => {
			if (!isOpen() || !event?.person || events.has(event.id)) return;
			events.set(event.id, event);
			saved.set(event.id, event);
			stored.add(event.id);
		});
		if (found.length) assign();
	};

	return {
		_pending: events as ReadonlyMap<string, Event>,
		_list: list,
		_settle: settle,
		_assign: assign,
		_capture: capture,
		_sync: sync,
		/** Writes unsaved events to localStorage at once, for a page that unloads. */
		_spill() {
			if (!isOpen()) return;
			const unwritten = all().filter((event) => isUnsaved(event) || !stored.has(event.id));
			store._spill(unwritten).forEach(({ id }) => stored.add(id));
			// Writes to IndexedDB too, as localStorage may be full.
			if (unwritten.length) void put(unwritten);
		},
		/** Deletes all events, in the store too. */
		_wipe() {
			all().forEach(forget);
			void store._wipe();
		},
	};
};
