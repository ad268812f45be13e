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
	const events = new Map<string, Event>();
	/** What the store is yet to be given, in the form it has now. */
	const unsaved = new Set<Event>();
	/** Ids the store has, be it in an earlier form: one that is missing there was taken out by another tab. */
	let stored = new Set<string>();
	/** Ids taken out since the latest `sync` began: what it has read of them is out of date. */
	let gone = new Set<string>();
	/** The latest removal; the store serves in order, so those before it are over when it is. */
	let removal: Promise<void> | undefined;
	let isOpen = false;
	let isSaving = false;

	const list = (isWaiting: boolean) => [...events.values()].filter(({ person }) => isKnown(person) === isWaiting);

	const forget = ({ id }: { id: string }) => {
		unsaved.delete(events.get(id) as Event);
		events.delete(id);
		stored.delete(id);
		gone.add(id);
	};

	const store = createEventStore(name, (cause) => {
		if (cause) notify("error", "IndexedDB failed", [], cause);
		// Another set: what is missing now was not taken out by another tab.
		stored = new Set();
		for (const event of events.values()) unsaved.add(event);
		save();
	});

	/** Takes events out for good and says so. Resolves when no other tab can find them any more. */
	const settle = async (kind: NoticeKind, given: Event[], reason: string) => {
		const taken = given.filter(({ id }) => events.has(id));
		if (taken.length) {
			taken.forEach(forget);
			if (isOpen) removal = store.remove(taken.map(({ id }) => id));
			notify(kind, reason, taken);
		}
		await removal;
	};

	const save = async () => {
		if (isSaving) return;
		isSaving = true;
		// What the same task captures goes in the same write; what comes during a write, in the next.
		await null;
		do {
			settle("dropped", list(true).slice(0, -mostWaiting), "too many");
			settle("dropped", list(false).slice(0, -mostHeld), "too many");
			if (!isOpen) break;
			const written = [...unsaved];
			for (const { id } of await store.write(written, (id) => stored.has(id))) if (events.has(id)) stored.add(id);
			for (const event of written) unsaved.delete(event);
		} while (unsaved.size);
		isSaving = false;
	};

	/**
	 * Applies the owner to what is here: held events become theirs, or go where they were reset;
	 * their waiting events get the newer token. A newcomer takes over whatever is held: it is from before this
	 * browser lost its localStorage, or from a tab that was opened in the same moment.
	 * `isFollower`: another tab has changed the owner, and has seen to what is stored.
	 */
	const claim = (isFollower?: boolean) => {
		const { isNew, ...person } = owner();
		const others: Event[] = [];
		for (const event of [...events.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
			const was = event.person;
			let now = was;
			if (isKnown(was)) {
				if (isSamePerson(was, person)) now = { ...was, token: person.token ?? was.token };
			} else if (isNew || was.anonymousId === person.anonymousId) now = person;
			else others.push(event);
			let next = event;
			if (JSON.stringify(now) !== JSON.stringify(was)) {
				next = { ...event, person: now };
				unsaved.delete(event);
				unsaved.add(next);
			}
			// Anew, so that what was captured earlier comes first.
			events.delete(event.id);
			events.set(event.id, next);
		}
		if (isFollower) others.forEach(forget);
		settle("dropped", others, "reset");
		save();
	};

	return {
		/** All there are, by id. */
		events: events as ReadonlyMap<string, Event>,
		/** In order, the events of known people, or those that wait for a login. */
		list,
		settle,
		claim,
		add(event: Event) {
			events.set(event.id, event);
			unsaved.add(event);
			save();
		},
		/** From here on events are stored. */
		open() {
			isOpen = true;
			save();
		},
		/** Brings memory up to the store: other tabs add to it, and take from it what they delivered. */
		async sync() {
			if (!isOpen) return;
			gone = new Set();
			const found = await store.read((there) => {
				for (const id of stored) if (!there.has(id)) forget({ id });
				return (id) => !events.has(id);
			});
			if (!isOpen) return;
			let isNews = false;
			for (const event of found as (Event | null | undefined)[]) {
				if (!event?.person || events.has(event.id) || gone.has(event.id)) continue;
				events.set(event.id, event);
				stored.add(event.id);
				isNews = true;
			}
			if (isNews) claim();
			settle(
				"dropped",
				[...events.values()].filter(({ at }) => at < now() - ageMs),
				"too old",
			);
		},
		/** Writes what is not yet stored, at once: the page goes. */
		spill() {
			const late = [...events.values()].filter((event) => unsaved.has(event) || !stored.has(event.id));
			if (isOpen) for (const { id } of store.spill(late)) stored.add(id);
		},
		/** Deletes everything, in the store too, and stores nothing until the next `open()`. */
		clear() {
			isOpen = false;
			[...events.values()].forEach(forget);
			store.clear();
		},
	};
}
