import type { Event, Limits } from "../shared/event.ts";
import { type Identity, isKnown, isSamePerson } from "./identity.ts";
import type { NoticeKind, Notify } from "./notices.ts";
import { createEventStore } from "./store.ts";

const ageMs: Limits["ageMs"] = 2_592_000_000;
/** Events of known people, ready to be sent. */
const mostWaiting = 1_000;
/** Events from before a login. */
const mostHeld = 500;

export type Queue = ReturnType<typeof createQueue>;

/**
 * All events not yet acknowledged, in order of capture: in memory, so that a page that goes can still send them,
 * and from `open()` on in the store, so that they outlive it.
 */
export function createQueue(name: string, owner: () => Identity, notify: Notify, now: () => number = Date.now) {
	const waiting = new Map<string, Event>();
	const held = new Map<string, Event>();
	/** Ids whose latest form is to be written, and those whose latest form the store has. */
	const unsaved = new Set<string>();
	let saved = new Set<string>();
	let isOpen = false;
	let isSaving = false;

	const ids = () => [...waiting.keys(), ...held.keys()];
	const find = (id: string) => waiting.get(id) ?? held.get(id);
	const isUnknown = (id: string) => !find(id);
	const all = (ids: Iterable<string>) => [...ids].flatMap((id) => find(id) ?? []);
	const forget = (id: string) => {
		for (const ids of [waiting, held, unsaved, saved]) ids.delete(id);
	};

	const store = createEventStore(name, (cause) => {
		notify("error", "IndexedDB failed", [], cause);
		// Another set: what is not in localStorage was not taken from it by another tab.
		saved = new Set();
		for (const id of ids()) unsaved.add(id);
		save();
	});

	const save = async () => {
		if (isSaving) return;
		isSaving = true;
		// What the same task captures goes in the same write; what comes during a write, in the next.
		await null;
		while (isOpen && unsaved.size) {
			const events = all(unsaved);
			const kept = new Set(await store.write(events));
			for (const event of events) {
				if (find(event.id) !== event) continue;
				unsaved.delete(event.id);
				if (kept.has(event)) saved.add(event.id);
			}
		}
		isSaving = false;
	};

	/** Takes events out for good; returns those that were still in. */
	const remove = (ids: string[]): Event[] => {
		const events = all(ids);
		ids.forEach(forget);
		if (isOpen && ids.length) store.remove(ids);
		return events;
	};

	/** Takes events out and says so. */
	const settle = (kind: NoticeKind, ids: string[], reason: string) => {
		const events = remove(ids);
		if (events.length) notify(kind, reason, events);
	};

	const put = (event: Event) => (isKnown(event.person) ? waiting : held).set(event.id, event);

	const trim = () => {
		settle("dropped", [...waiting.keys()].slice(0, -mostWaiting), "too many waiting");
		settle("dropped", [...held.keys()].slice(0, -mostHeld), "too many held");
	};

	/**
	 * Applies the owner to what is here: held events become theirs, or go where they were somebody else's;
	 * their waiting events get the newer token. `was` is an anonymousId that is this visitor's as well.
	 * Only the tab that changed the owner saves it: another could bring back what has been delivered since.
	 */
	const claim = (saves: boolean, was?: string) => {
		const person = owner();
		const relabel = (event: Event, changed: Event["person"]) => {
			held.delete(event.id);
			put({ ...event, person: { ...event.person, ...changed } });
			if (saves) {
				saved.delete(event.id);
				unsaved.add(event.id);
			}
		};
		for (const event of [...held.values()]) {
			const { anonymousId } = event.person;
			if (anonymousId !== person.anonymousId && anonymousId !== was) remove([event.id]);
			else if (was || isKnown(person)) relabel(event, person);
		}
		const { token } = person;
		if (token) {
			for (const event of waiting.values()) {
				if (event.person.token !== token && isSamePerson(event.person, person)) relabel(event, { token });
			}
		}
		trim();
		save();
	};

	/** Takes in what other pages left, in order of capture. */
	const admit = (events: (Event | null | undefined)[], ids: Set<string>) => {
		for (const event of events) {
			if (!event?.person || find(event.id)) continue;
			put(event);
			ids.add(event.id);
		}
		for (const map of [waiting, held]) {
			// Entries sort as text, which begins with the id.
			const sorted = [...map].sort();
			map.clear();
			for (const [id, event] of sorted) map.set(id, event);
		}
		claim(true);
	};

	return {
		/** Events of known people, by id. */
		waiting: waiting as ReadonlyMap<string, Event>,
		/** Events that wait for a login, by id. */
		held: held as ReadonlyMap<string, Event>,
		settle,
		claim,
		add(event: Event) {
			put(event);
			unsaved.add(event.id);
			if (waiting.size > mostWaiting || held.size > mostHeld) trim();
			save();
		},
		/** From here on events are stored. */
		open() {
			isOpen = true;
			admit(store.readSpilled(isUnknown)[1], unsaved);
		},
		/** Brings memory up to the store: other tabs add to it, and take from it what they delivered. */
		async sync() {
			if (!isOpen) return;
			const [before, source] = [[...saved], saved];
			const [stored, unknown] = await store.read(isUnknown);
			if (!isOpen) return;
			const there = new Set(stored);
			for (const id of before) if (source === saved && !there.has(id)) forget(id);
			if (unknown.length) admit(unknown, saved);
			const oldest = now() - ageMs;
			const isOld = (id: string) => (find(id)?.at ?? oldest) < oldest;
			settle("dropped", ids().filter(isOld), "too old");
		},
		/** Writes what is not yet stored, at once: the page goes. */
		spill() {
			if (isOpen) store.spill(all(ids()).filter(({ id }) => !saved.has(id)));
		},
		/** Deletes everything, in the store too, and stores nothing until the next `open()`. */
		clear() {
			isOpen = false;
			ids().forEach(forget);
			store.clear();
		},
	};
}
