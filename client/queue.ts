import type { Event, Limits } from "../shared/event.ts";
import { type Identity, isKnown, isSamePerson } from "./identity.ts";
import type { NoticeKind, Notify } from "./notices.ts";
import { createEventStore } from "./store.ts";

const ageMs: Limits["ageMs"] = 2_592_000_000;
/** Events of known people, ready to be sent. */
const mostWaiting = 1_000;
/** Events from before a login. */
const mostHeld = 500;
/** What is captured within so many ms goes to the store in one write; what is delivered by then, not at all. */
const saveMs = 400;

export type Queue = ReturnType<typeof createQueue>;

/**
 * All events not yet acknowledged, in order of capture: in memory, so that a page that goes can still send them,
 * and from `open()` on in the store, so that they outlive it.
 */
export function createQueue(name: string, owner: () => Identity, notify: Notify, now: () => number = Date.now) {
	const events = new Map<string, Event>();
	/** Ids whose present form the store is yet to be given. */
	const unsaved = new Set<string>();
	/** Ids the store has, be it in an earlier form: one that is missing there was taken out by another tab. */
	let stored = new Set<string>();
	/** Ids the store may have, whatever became of it: what is delivered sooner costs it nothing. */
	const given = new Set<string>();
	/** The latest removal; the store serves in order, so those before it are over when it is. */
	let removal: Promise<void> | undefined;
	let isOpen = false;
	let isSaving = false;

	/** What is too old, and the oldest of too many, are as good as dropped. */
	const list = (isWaiting: boolean) =>
		[...events.values()]
			.filter(({ person, at }) => isKnown(person) === isWaiting && at > now() - ageMs)
			.slice(isWaiting ? -mostWaiting : -mostHeld);

	const forget = ({ id }: { id: string }) => {
		for (const ids of [events, unsaved, stored, given]) ids.delete(id);
	};

	const store = createEventStore(name, (cause) => {
		if (cause) notify("error", "IndexedDB failed", [], cause);
		// Another set: what is missing now was not taken out by another tab.
		stored = new Set();
		for (const id of events.keys()) unsaved.add(id);
		save();
	});

	/** Takes events out for good and says so. Resolves when no other tab can find them any more. */
	const settle = async (kind: NoticeKind, settled: Event[], reason: string) => {
		const taken = settled.filter(({ id }) => events.has(id));
		if (taken.length) {
			const wasGiven = isOpen && taken.some(({ id }) => given.has(id));
			taken.forEach(forget);
			if (wasGiven) removal = store.remove(taken.map(({ id }) => id));
			notify(kind, reason, taken);
		}
		await removal;
	};

	const save = async () => {
		if (isSaving) return;
		isSaving = true;
		// A page that is not seen has its timers put off.
		if (!document.hidden) await new Promise((resolve) => setTimeout(resolve, saveMs));
		const kept = new Set([...list(true), ...list(false)]);
		settle(
			"dropped",
			[...events.values()].filter((event) => !kept.has(event)),
			"too many or old",
		);
		while (isOpen && unsaved.size) {
			const written = [...events.values()].filter(({ id }) => unsaved.has(id));
			for (const { id } of written) given.add(id);
			for (const { id } of await store.write(written, (id) => stored.has(id))) if (events.has(id)) stored.add(id);
			for (const event of written) if (events.get(event.id) === event) unsaved.delete(event.id);
		}
		isSaving = false;
	};

	/**
	 * Applies the owner to what is here: held events become theirs, or go where they were another's;
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
				unsaved.add(event.id);
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
			unsaved.add(event.id);
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
			const found = await store.read((there) => {
				for (const id of stored) if (!there.has(id)) forget({ id });
				return (id) => !events.has(id);
			});
			if (!isOpen) return;
			for (const event of found as (Event | null | undefined)[]) {
				if (!event?.person || events.has(event.id)) continue;
				events.set(event.id, event);
				stored.add(event.id);
				given.add(event.id);
			}
			if (found.length) claim();
		},
		/** Writes what is not yet stored, at once: the page goes. */
		spill() {
			const late = [...events.values()].filter(({ id }) => unsaved.has(id) || !stored.has(id));
			if (isOpen) {
				for (const { id } of store.spill(late)) {
					stored.add(id);
					given.add(id);
				}
			}
		},
		/** Deletes everything, in the store too, and stores nothing until the next `open()`. */
		clear() {
			isOpen = false;
			[...events.values()].forEach(forget);
			store.clear();
		},
	};
}
