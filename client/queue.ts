import type { Event, Limits } from "../shared/event.ts";
import { type Identity, isKnown, isSamePerson } from "./identity.ts";
import type { NoticeKind, Notify } from "./notices.ts";
import { createEventStore } from "./store.ts";

const ageMs: Limits["ageMs"] = 2_592_000_000;
/** Events of known people, ready to be sent. */
const mostWaiting = 1_000;
/** Events from before a login. */
const mostHeld = 500;
/** So many ms after its capture an event goes to the store, with all later ones; what is delivered by then, not at all. */
const saveMs = 400;

export type Queue = ReturnType<typeof createQueue>;

/**
 * All events not yet acknowledged, in order of capture: in memory, so that a page that goes can still send them,
 * and from `begin()` on in the store, so that they outlive it.
 */
export function createQueue(name: string, owner: () => Identity, notify: Notify) {
	const events = new Map<string, Event>();
	/** Ids whose present form the store is yet to be given, and since when. */
	const unsaved = new Map<string, number>();
	/**
	 * Ids the store may have: what is delivered sooner costs it nothing. True where it has them, be it in an earlier form:
	 * one that is missing there was taken out by another tab.
	 */
	const stored = new Map<string, boolean | undefined>();
	/** The latest removal; the store serves in order, so those before it are over when it is. */
	let removal: Promise<void> | undefined;
	let isOpen = false;
	let isSaving = false;

	const all = () => [...events.values()];

	/** What is too old, and the oldest of too many, are as good as dropped. */
	const list = (isWaiting: boolean) =>
		all()
			.filter(({ person, at }) => isKnown(person) === isWaiting && at > Date.now() - ageMs)
			.slice(isWaiting ? -mostWaiting : -mostHeld);

	const forget = ({ id }: { id: string }) => {
		events.delete(id);
		unsaved.delete(id);
		stored.delete(id);
	};

	const store = createEventStore(name, (cause) => {
		if (cause) notify("error", "IndexedDB failed", [], cause);
		for (const id of events.keys()) {
			unsaved.set(id, 0);
			// What is missing now was not taken out by another tab.
			stored.set(id, false);
		}
		void save();
	});

	/** Takes events out for good and says so. Resolves when no other tab can find them any more; never rejects. */
	const settle = async (kind: NoticeKind, settled: Event[], reason: string) => {
		const taken = settled.filter(({ id }) => events.has(id));
		if (taken.length) {
			if (taken.some(({ id }) => stored.has(id))) removal = store._remove(taken.map(({ id }) => id));
			taken.forEach(forget);
			notify(kind, reason, taken);
		}
		await removal;
	};

	/** Has the store write them now. Never rejects. */
	const put = async (written: Event[]) => {
		for (const { id } of written) stored.set(id, stored.get(id));
		for (const { id } of await store._write(written, stored, events)) if (events.has(id)) stored.set(id, true);
		for (const event of written) if (events.get(event.id) === event) unsaved.delete(event.id);
	};

	/** Stores unsaved events 400 ms after their capture, and drops those that are too old or too many. Never rejects. */
	const save = async () => {
		if (isSaving) return;
		isSaving = true;
		while (isSaving) {
			const [since = 0] = unsaved.values();
			// Either way: a clock may be set.
			const left = saveMs - Math.abs(Date.now() - since);
			// A page that is not seen has its timers put off.
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
	 * Applies the owner to what is here: held events become theirs, or go where they were another's;
	 * their waiting events get the newer token. A newcomer takes over whatever is held: it is from before this
	 * browser lost its localStorage, or from a tab that was opened in the same moment.
	 * `isFollower`: another tab has changed the owner, and has seen to what is stored.
	 */
	const claim = (isFollower?: boolean) => {
		const { isNew, ...person } = owner();
		const others: Event[] = [];
		for (const event of all().sort((a, b) => (a.id > b.id ? 1 : -1))) {
			const was = event.person;
			let is = was;
			if (isKnown(was)) {
				if (person.token && isSamePerson(was, person)) is = person;
			} else if (isNew || was.anonymousId === person.anonymousId) is = person;
			else others.push(event);
			// Anew, so that what was captured earlier comes first.
			events.delete(event.id);
			const isChanged = JSON.stringify(is) !== JSON.stringify(was);
			events.set(event.id, isChanged ? { ...event, person: is } : event);
			if (isChanged) unsaved.set(event.id, 0);
		}
		if (isFollower) others.forEach(forget);
		void settle("dropped", others, "reset");
		void save();
	};

	return {
		/** All there are, by id. */
		_pending: events as ReadonlyMap<string, Event>,
		/** In order, the events of known people, or those that wait for a login. */
		_list: list,
		_settle: settle,
		_claim: claim,
		_capture(event: Event) {
			events.set(event.id, event);
			unsaved.set(event.id, Date.now());
			void save();
		},
		/** From here on events are stored, as their owner's. */
		_begin() {
			isOpen = true;
			claim();
		},
		/** Brings memory up to the store: other tabs add to it, and take from it what they delivered. */
		async _sync() {
			if (!isOpen) return;
			// What is settled meanwhile is not to come back.
			const known = new Map(events);
			const found = await store._read((there) => {
				for (const [id, isThere] of stored) if (isThere && !there.has(id)) forget({ id });
				return (id) => !known.has(id) && !events.has(id);
			});
			for (const event of found as (Event | null | undefined)[]) {
				if (!isOpen || !event?.person || events.has(event.id)) continue;
				events.set(event.id, event);
				stored.set(event.id, true);
			}
			if (found.length) claim();
		},
		/** Writes what is not yet stored, at once: the page goes. */
		_spill() {
			if (!isOpen) return;
			const late = all().filter(({ id }) => unsaved.has(id) || !stored.get(id));
			for (const { id } of store._spill(late)) stored.set(id, true);
			// localStorage may be full.
			if (late.length) void put(late);
		},
		/** Deletes everything, in the store too, and stores nothing until the next `begin()`. */
		_wipe() {
			isOpen = false;
			all().forEach(forget);
			void store._wipe();
		},
	};
}
