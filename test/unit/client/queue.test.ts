// @vitest-environment happy-dom
import { IDBDatabase, IDBFactory, IDBObjectStore } from "fake-indexeddb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Identity } from "../../../client/identity.ts";
import { createQueue } from "../../../client/queue.ts";
import type { Event } from "../../../shared/event.ts";

let notices: string[];
let owner: Identity;
const now = Date.now();

beforeEach(() => {
	globalThis.indexedDB = new IDBFactory();
	localStorage.clear();
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
	notices = [];
	owner = { anonymousId: "a" };
});

afterEach(() => {
	vi.useRealTimers();
	vi.restoreAllMocks();
	vi.unstubAllGlobals();
});

/** Replaces `localStorage.setItem`. */
const storeWith = (write: (key: string, text: string) => void) =>
	vi.stubGlobal(
		"localStorage",
		new Proxy(localStorage, {
			get: (target, key) => {
				const value = Reflect.get(target, key);
				if (key === "setItem") return write;
				return typeof value === "function" ? value.bind(target) : value;
			},
		}),
	);

/** Creates a queue that stores events from `_begin()` to `_wipe()`. */
const queue = () => {
	let isOpen = false;
	const created = createQueue(
		"eventferry:test",
		() => owner,
		() => isOpen,
		(kind, reason, events) => notices.push(`${kind} ${reason} ${events?.length}`),
	);
	return {
		...created,
		_begin() {
			isOpen = true;
			created._assign();
		},
		_wipe() {
			isOpen = false;
			created._wipe();
		},
	};
};

/** Lets the queue's delayed work begin. Its requests to IndexedDB may still be under way. */
const tick = () => vi.advanceTimersByTimeAsync(400);

let count = 0;
const event = (person: Event["person"], at = now): Event => ({
	id: `0198f1c2-0000-7000-8000-${String(++count).padStart(12, "0")}`,
	type: "track",
	name: `event ${count}`,
	at,
	person,
});
const ada = { anonymousId: "a", email: "ada@example.com" };

test("beyond 1,000 waiting events the oldest are dropped, with a notice", async () => {
	const { _capture: capture, _pending: pending } = queue();
	const first = event(ada);
	capture(first);
	for (let n = 0; n < 1_000; n++) capture(event(ada));
	await tick();
	expect(pending.size).toBe(1_000);
	expect(pending.has(first.id)).toBe(false);
	expect(notices).toEqual(["dropped old or too many 1"]);
});

test("beyond 500 held events the oldest are dropped, and waiting events do not count", async () => {
	const { _capture: capture, _list: list } = queue();
	capture(event(ada));
	for (let n = 0; n < 502; n++) capture(event({ anonymousId: "a" }));
	await tick();
	expect([list(false).length, list(true).length]).toEqual([500, 1]);
	expect(notices).toEqual(["dropped old or too many 2"]);
});

test("a login assigns held events to the person and releases them in order", () => {
	const { _capture: capture, _assign: assign, _list: list } = queue();
	const events = [event({ anonymousId: "a" }), event({ anonymousId: "a" })];
	events.forEach(capture);
	owner = ada;
	assign();
	expect(list(false)).toEqual([]);
	expect(list(true)).toEqual(events.map((event) => ({ ...event, person: ada })));
});

test("a new anonymous visitor discards the held events, and no others, with a notice", () => {
	const { _capture: capture, _assign: assign, _list: list } = queue();
	capture(event(ada));
	capture(event({ anonymousId: "a" }));
	owner = { anonymousId: "b" };
	assign();
	expect([list(false).length, list(true).length]).toEqual([0, 1]);
	expect(notices).toEqual(["dropped reset 1"]);
});

test("only the same person's waiting events get a newer token", () => {
	const { _capture: capture, _assign: assign, _list: list } = queue();
	capture(event({ ...ada, token: "old" }));
	capture(event({ anonymousId: "x", email: "bob@example.com", token: "bob's" }));
	owner = { ...ada, token: "new" };
	assign();
	expect(list(true).map(({ person }) => person.token)).toEqual(["new", "bob's"]);
});

test("waiting events take the identifiers that come with a newer token, and keep those that it lacks", () => {
	const { _capture: capture, _assign: assign, _list: list } = queue();
	capture(event({ anonymousId: "a", userId: "7", email: "ada@example.com", token: "old" }));
	owner = { ...ada, userId: "7" };
	assign();
	expect(list(true).map(({ person }) => person)).toEqual([
		{ anonymousId: "a", userId: "7", email: "ada@example.com", token: "old" },
	]);
	owner = { anonymousId: "a", userId: "7", token: "names a userId only" };
	assign();
	expect(list(true).map(({ person }) => person)).toEqual([{ ...owner, email: "ada@example.com" }]);
	owner = { ...owner, email: "new@example.com", token: "names another e-mail" };
	assign();
	expect(list(true).map(({ person }) => person)).toEqual([owner]);
});

test("an event delivered within 0.4 s is never written, and any other is written 0.4 s after its capture", async () => {
	const put = vi.spyOn(IDBObjectStore.prototype, "put");
	const { _capture: capture, _begin: begin, _settle: settle } = queue();
	begin();
	const [first, second] = [event(ada), event(ada)];
	capture(first);
	await vi.advanceTimersByTimeAsync(300);
	capture(second);
	await settle("delivered", [first], "");
	await vi.advanceTimersByTimeAsync(399);
	expect(put).not.toHaveBeenCalled();
	await vi.advanceTimersByTimeAsync(1);
	await vi.waitFor(() => expect(put).toHaveBeenCalledExactlyOnceWith(second, second.id));
});

test("setting the clock back does not delay writing to the store", async () => {
	const put = vi.spyOn(IDBObjectStore.prototype, "put");
	const { _capture: capture, _begin: begin } = queue();
	begin();
	capture(event(ada));
	vi.setSystemTime(now - 3_600_000);
	await tick();
	await vi.waitFor(() => expect(put).toHaveBeenCalledOnce());
});

test("events stored by an earlier page are picked up in order, and dropped from memory once it delivers them", async () => {
	const [earlier, later] = [queue(), queue()];
	earlier._begin();
	const events = [event(ada), event(ada), event(ada)];
	earlier._capture(events[1] as Event);
	earlier._capture(events[0] as Event);
	await stored(earlier);
	later._capture(events[2] as Event);
	later._begin();
	await later._sync();
	expect([...later._pending.keys()]).toEqual(events.map(({ id }) => id));
	await earlier._settle("delivered", [events[0] as Event], "");
	await later._sync();
	expect(later._pending.size).toBe(2);
});

test("an event settled while the store is being read does not come back", async () => {
	const tab = queue();
	tab._begin();
	tab._capture(event(ada));
	await stored(tab);
	const reading = tab._sync();
	void tab._settle("delivered", tab._list(true), "");
	await reading;
	expect(tab._list(true)).toEqual([]);
});

test("events held for an anonymous visitor become the person's once the visitor is known", async () => {
	const earlier = queue();
	earlier._begin();
	earlier._capture(event({ anonymousId: "a" }));
	await stored(earlier);
	owner = ada;
	const later = queue();
	later._begin();
	await later._sync();
	expect(later._list(true).map(({ person }) => person)).toEqual([ada]);
});

test("an event older than 30 days is dropped with a notice", async () => {
	const { _capture: capture, _begin: begin, _sync: sync, _pending: pending } = queue();
	begin();
	capture(event(ada, now - 31 * 86_400_000));
	capture(event(ada));
	await tick();
	await sync();
	expect(pending.size).toBe(1);
	expect(notices).toEqual(["dropped old or too many 1"]);
});

test("an event not yet stored when its page closes is there on the next page", async () => {
	const earlier = queue();
	earlier._begin();
	earlier._capture(event(ada));
	earlier._spill();
	const later = queue();
	later._begin();
	await later._sync();
	expect(later._pending.size).toBe(1);
});

test("an event written to localStorage as its page closes is removed from there once IndexedDB has it", async () => {
	const hidden = queue();
	hidden._begin();
	hidden._capture(event(ada));
	hidden._spill();
	expect(localStorage).toHaveLength(1);
	await stored(hidden);
	expect(localStorage).toHaveLength(0);
});

test("a queue stores nothing before begin()", async () => {
	const closed = queue();
	closed._capture(event(ada));
	closed._spill();
	await closed._sync();
	expect(localStorage).toHaveLength(0);
	expect(await indexedDB.databases()).toEqual([]);
});

test("localStorage takes over from a failing IndexedDB, with one notice", async () => {
	indexedDB.open = () => {
		throw new DOMException("denied", "SecurityError");
	};
	const broken = queue();
	broken._begin();
	broken._capture(event(ada));
	broken._capture(event(ada));
	await stored(broken);
	expect(notices).toEqual(["error IndexedDB failed 0"]);
	const later = queue();
	later._begin();
	await later._sync();
	expect(later._pending.size).toBe(2);
	void later._settle("delivered", later._list(true), "");
	expect(localStorage).toHaveLength(0);
});

test("events stay in memory if nothing can be stored", async () => {
	indexedDB.open = () => {
		throw new DOMException("denied", "SecurityError");
	};
	storeWith(deny);
	const broken = queue();
	broken._begin();
	broken._capture(event(ada));
	await stored(broken);
	expect(broken._pending.size).toBe(1);
	expect(notices).toHaveLength(1);
});

const transactions = () => vi.spyOn(IDBDatabase.prototype as globalThis.IDBDatabase, "transaction");
const throwInvalidState = () => {
	throw new DOMException("The database connection is closing", "InvalidStateError");
};
const deny = () => {
	throw new DOMException("full", "QuotaExceededError");
};

test("stored events all move to localStorage when IndexedDB closes for good", async () => {
	const tab = queue();
	tab._begin();
	for (let n = 0; n < 3; n++) tab._capture(event(ada));
	await stored(tab);
	transactions().mockImplementation(throwInvalidState);
	await tab._sync();
	expect(tab._pending.size).toBe(3);
	await tab._sync();
	expect(tab._pending.size).toBe(3);
	await tick();
	expect(localStorage).toHaveLength(3);
	expect(notices).toEqual(["error IndexedDB failed 0"]);
});

test("stored events stay in memory when IndexedDB closes for good and localStorage is denied", async () => {
	const tab = queue();
	tab._begin();
	tab._capture(event(ada));
	await stored(tab);
	transactions().mockImplementation(throwInvalidState);
	storeWith(deny);
	await tab._sync();
	expect(tab._pending.size).toBe(1);
	await tab._sync();
	expect(tab._pending.size).toBe(1);
});

test("a database connection closed by the browser is reopened without a notice", async () => {
	const tab = queue();
	tab._begin();
	tab._capture(event(ada));
	await stored(tab);
	const { transaction } = IDBDatabase.prototype;
	transactions().mockImplementationOnce(function (this: globalThis.IDBDatabase, ...args) {
		this.close();
		return transaction.apply(this, args) as IDBTransaction;
	});
	const opened = vi.spyOn(indexedDB, "open");
	tab._capture(event(ada));
	await stored(tab);
	expect(opened).toHaveBeenCalled();
	expect(localStorage).toHaveLength(0);
	expect(notices).toEqual([]);
	const later = queue();
	later._begin();
	await later._sync();
	expect(later._pending.size).toBe(2);
});

test.each(["wipe", "settle"] as const)("%s deletes events from an IndexedDB that failed before", async (way) => {
	const tab = queue();
	tab._begin();
	tab._capture(event(ada));
	await stored(tab);
	const broken = transactions().mockImplementation(throwInvalidState);
	await tab._sync();
	broken.mockRestore();
	if (way === "wipe") tab._wipe();
	else void tab._settle("delivered", tab._list(true), "");
	const later = queue();
	later._begin();
	await stored(later);
	expect(later._pending.size).toBe(0);
});

test("an event too large for localStorage does not keep later ones out, and is tried again as the page closes", async () => {
	indexedDB.open = throwInvalidState;
	const roomy = localStorage;
	storeWith((key, text) => (text.includes("huge") ? deny() : roomy.setItem(key, text)));
	const tab = queue();
	tab._begin();
	const huge = { ...event(ada), name: "huge" };
	for (const each of [huge, event(ada), event(ada)] as Event[]) tab._capture(each);
	await stored(tab);
	expect(localStorage).toHaveLength(2);
	expect(tab._pending.size).toBe(3);
	vi.unstubAllGlobals();
	tab._spill();
	expect(localStorage).toHaveLength(3);
});

test.each(["wipe", "settle"] as const)(
	"an event that %s deletes does not come back, even if IndexedDB hung while the page closed",
	async (way) => {
		indexedDB.open = () => ({}) as IDBOpenDBRequest;
		const tab = queue();
		tab._begin();
		tab._capture(event(ada));
		tab._spill();
		if (way === "wipe") tab._wipe();
		else void tab._settle("delivered", tab._list(true), "accepted");
		await vi.advanceTimersByTimeAsync(7_000);
		expect(localStorage).toHaveLength(0);
		tab._begin();
		const read = tab._sync();
		await vi.advanceTimersByTimeAsync(7_000);
		await read;
		expect(tab._pending.size).toBe(0);
	},
);

test("an event captured, written and delivered while the store is being read does not come back", async () => {
	const other = queue();
	other._begin();
	other._capture(event(ada));
	await stored(other);
	const tab = queue();
	tab._begin();
	const late = event(ada);
	const { get } = IDBObjectStore.prototype;
	vi.spyOn(IDBObjectStore.prototype, "get").mockImplementationOnce(function (this: IDBObjectStore, key) {
		void tab._settle("delivered", [late], "accepted");
		return get.call(this, key);
	});
	const read = tab._sync();
	tab._capture(late);
	tab._spill();
	await read;
	expect(tab._pending.has(late.id)).toBe(false);
	expect(tab._pending.size).toBe(1);
});

test("events that another tab has delivered are not written again with a newer token", async () => {
	const tab = queue();
	tab._begin();
	for (let n = 0; n < 3; n += 1) tab._capture(event(ada));
	await stored(tab);
	const other = queue();
	other._begin();
	await stored(other);
	await other._settle("delivered", other._list(true), "accepted");
	owner = { ...ada, token: "newer" };
	const read = tab._sync();
	tab._assign();
	await read;
	await stored(tab);
	const later = queue();
	later._begin();
	await stored(later);
	expect(later._pending.size).toBe(0);
});

/** Resolves once the queue's writes are in the store, which serves requests in order. */
async function stored(queue: { _sync(): Promise<void> }): Promise<void> {
	await tick();
	await queue._sync();
}
