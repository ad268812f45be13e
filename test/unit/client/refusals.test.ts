// @vitest-environment happy-dom
import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createTracker, type Tracker } from "../../../client/index.ts";
import type { Event } from "../../../shared/event.ts";

/** Names of the events that were sent, by `fetch` and by `sendBeacon`. */
let sent: string[];
let beacons: string[];
/** Bodies that `fetch` was given: true if compressed. */
let zipped: boolean[];
let answer: (request: RequestInit, names: string[]) => Response | Promise<Response>;
let sites = 0;

const accepted = () => Response.json({ accepted: 1, rejected: [] }, { status: 202 });
const never = () => new Promise<never>(() => {});
const refuse = (): never => {
	throw new DOMException("Access is denied for this document.", "SecurityError");
};

const textOf = (body: unknown) => (typeof body === "string" ? body : Buffer.from(body as ArrayBuffer).toString());
const namesIn = (body: unknown): string[] => {
	return JSON.parse(textOf(body)).events.map((event: Event) => ("name" in event ? event.name : event.type));
};
const ask = async (_url: unknown, request: RequestInit = {}) => {
	// A tracker of an earlier test.
	if (!textOf(request.body).includes(`"site_${sites}"`)) return accepted();
	zipped.push(typeof request.body !== "string");
	const names = namesIn(request.body);
	const response = await answer(request, names);
	sent.push(...names);
	return response;
};
const beacon = (_url: string, body: string) => {
	if (!body.includes(`"site_${sites}"`)) return true;
	beacons.push(...namesIn(body));
	return true;
};

const locks = (request: unknown) =>
	Object.defineProperty(navigator, "locks", { value: { request }, configurable: true });
const free = (_name: string, _options: unknown, work: () => unknown) => Promise.resolve(work());
const setNavigator = (name: string, value: unknown) =>
	Object.defineProperty(navigator, name, { value, configurable: true, writable: true });
const throwingGetter = (target: object, name: string) =>
	Object.defineProperty(target, name, { get: refuse, configurable: true });

const original = { localStorage, CompressionStream: globalThis.CompressionStream, crypto };

function Unchanged() {
	return new TransformStream();
}

beforeEach(() => {
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
	vi.spyOn(Math, "random").mockReturnValue(0.5);
	sites++;
	sent = [];
	beacons = [];
	zipped = [];
	answer = accepted;
	Object.defineProperty(globalThis, "indexedDB", { value: new IDBFactory(), configurable: true, writable: true });
	localStorage.clear();
	vi.stubGlobal("fetch", ask);
	// Leaves the text as it is, and is done without another thread, which would not heed the clock of the test.
	vi.stubGlobal("CompressionStream", Unchanged);
	locks(free);
	setNavigator("sendBeacon", beacon);
});
afterEach(() => {
	vi.useRealTimers();
	vi.restoreAllMocks();
	vi.unstubAllGlobals();
	for (const [name, value] of Object.entries(original)) {
		Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
	}
});

const start = (proxy = "https://shop.example/ferry") =>
	createTracker({ proxy, writeKey: `site_${sites}`, isBot: () => false });
const known = () => {
	const tracker = start();
	tracker.login({ userId: "1" });
	return tracker;
};
/** Lets time pass until a condition holds, or for `seconds`. */
const until = async (isTrue: () => boolean, seconds = 90) => {
	for (let n = 0; n < seconds && !isTrue(); n++) {
		await vi.advanceTimersByTimeAsync(1_000);
		// IndexedDB works in tasks that do not heed the clock of the test.
		for (let task = 0; task < 20; task++) await new Promise(setImmediate);
	}
	expect(isTrue()).toBe(true);
};
const leave = () => dispatchEvent(new Event("pagehide"));

const request = (after: (opening: IDBOpenDBRequest) => void) => ({
	open: () => {
		const opening = {} as IDBOpenDBRequest;
		setTimeout(() => after(opening));
		return opening;
	},
});
const indexedDb = (value: unknown) => vi.stubGlobal("indexedDB", value);
/** An IndexedDB whose transactions do not end. */
const hangs = () => {
	const transaction = {
		objectStore: () =>
			new Proxy({ transaction: {} }, { get: (_, key) => (key === "transaction" ? { commit() {} } : () => ({})) }),
	};
	return request((opening) => {
		Object.assign(opening, { result: { transaction: () => transaction } });
		opening.onsuccess?.(new Event("success"));
	});
};

const breakages: Record<string, () => unknown> = {
	"localStorage is denied": () => throwingGetter(globalThis, "localStorage"),
	"localStorage is null": () => vi.stubGlobal("localStorage", null),
	"sessionStorage is denied": () => throwingGetter(globalThis, "sessionStorage"),
	"localStorage forgets everything": () =>
		vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {}, removeItem: () => {} }),
	"localStorage throws at each call": () =>
		vi.stubGlobal("localStorage", { getItem: refuse, setItem: refuse, removeItem: refuse }),
	"IndexedDB is missing": () => indexedDb(undefined),
	"IndexedDB is denied": () => throwingGetter(globalThis, "indexedDB"),
	"IndexedDB throws": () => indexedDb({ open: refuse }),
	"IndexedDB never opens": () => indexedDb(request(() => {})),
	"IndexedDB is blocked": () => indexedDb(request((opening) => opening.onblocked?.(new Event("blocked") as never))),
	"IndexedDB fails": () => indexedDb(request((opening) => opening.onerror?.(new Event("error")))),
	"a transaction never ends": () => indexedDb(hangs()),
	"Web Locks are missing": () => setNavigator("locks", undefined),
	"Web Locks are denied": () => throwingGetter(navigator, "locks"),
	"a lock throws": () => locks(refuse),
	"a lock rejects": () => locks(async () => refuse()),
	"a lock is never granted": () => locks(never),
	"a lock is granted and never answers": () =>
		locks((...given: Parameters<typeof free>) => {
			void free(...given);
			return never();
		}),
	"a lock answers without a grant": () => locks(async () => undefined),
	"a lock answers nothing": () => locks(() => undefined),
	"all storage and locks are denied": () => {
		throwingGetter(globalThis, "localStorage");
		indexedDb({ open: refuse });
		locks(async () => refuse());
	},
	"no storage answers and no lock is granted": () => {
		vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {}, removeItem: () => {} });
		indexedDb(request(() => {}));
		locks(never);
	},
	"crypto is missing": () => vi.stubGlobal("crypto", undefined),
	"crypto is denied": () => vi.stubGlobal("crypto", { getRandomValues: refuse }),
	"crypto has getRandomValues alone": () =>
		vi.stubGlobal("crypto", { getRandomValues: original.crypto.getRandomValues.bind(original.crypto) }),
	"AbortSignal.timeout is missing": () => vi.stubGlobal("AbortSignal", {}),
	"BroadcastChannel is missing": () => vi.stubGlobal("BroadcastChannel", undefined),
	"sendBeacon is missing": () => setNavigator("sendBeacon", undefined),
};

describe.each(Object.entries(breakages))("%s", (_, breakIt) => {
	test("events go out while the page is shown", async () => {
		breakIt();
		const tracker = known();
		tracker.track("shown");
		await until(() => sent.includes("shown"));
		expect(sent).toEqual(["login", "shown"]);
		tracker.track("shown too");
		await until(() => sent.includes("shown too"));
		await until(() => tracker.state().waiting === 0);
	});

	test("events go out as it is left", () => {
		breakIt();
		known().track("left");
		leave();
		return until(() => sent.includes("left"), 1);
	});
});

test("a reply that never comes, without AbortSignal.timeout: events go out once the proxy answers", async () => {
	vi.stubGlobal("AbortSignal", {});
	let isAborted = false;
	answer = ({ signal }) => {
		signal?.addEventListener("abort", () => {
			isAborted = true;
		});
		return never();
	};
	const tracker = known();
	await until(() => isAborted);
	answer = accepted;
	await until(() => tracker.state().waiting === 0);
	expect(sent).toEqual(["login"]);
});

test("a body that never ends is a failure after 10 s", async () => {
	answer = () => new Response(new ReadableStream(), { status: 202 });
	const tracker = known();
	await vi.advanceTimersByTimeAsync(16_000);
	answer = accepted;
	await until(() => tracker.state().waiting === 0);
});

describe("fetch", () => {
	const broken: Record<string, unknown> = { "is missing": undefined, throws: refuse };

	test.each(Object.entries(broken))(
		"%s: events go out by beacon, each once, and stay until a page can read an answer",
		async (_, fetch) => {
			vi.stubGlobal("fetch", fetch);
			const tracker = start("/ferry");
			tracker.login({ userId: "1" });
			for (let n = 0; n < 120; n++) tracker.track(`event ${n}`);
			await until(() => beacons.length > 120);
			expect(new Set(beacons).size).toBe(121);
			expect(beacons).toHaveLength(121);
			expect(tracker.state().waiting).toBe(121);
			tracker.track("left");
			leave();
			await until(() => beacons.includes("left"), 1);
			vi.stubGlobal("fetch", ask);
			const next = start();
			await until(() => next.state().waiting === 0 && sent.length >= 122);
		},
	);

	test("never answers: a page that is left has sent its events", () => {
		const given: string[] = [];
		answer = (_, names) => {
			given.push(...names);
			return never();
		};
		known().track("left");
		leave();
		expect(given).toEqual(["login", "left"]);
	});
});

describe("while a page is left", () => {
	/** Refuses keepalive requests, as a browser with no room for them does. */
	const full = (given: RequestInit) => {
		if (given.keepalive) throw new TypeError("NetworkError when attempting to fetch resource.");
		return accepted();
	};

	test("a keepalive request that is refused goes as a beacon at once", async () => {
		answer = full;
		known().confirmation({ orderId: "1" });
		leave();
		await until(() => beacons.includes("confirmation"), 1);
		expect(sent).toEqual([]);
	});

	test.each([undefined, () => false, refuse])("without a beacon it goes as a plain request: %s", async (sendBeacon) => {
		answer = full;
		setNavigator("sendBeacon", sendBeacon);
		known().confirmation({ orderId: "1" });
		leave();
		await until(() => sent.includes("confirmation"), 1);
	});

	test("a purchase fits beside 50 KB of the page before", async () => {
		let room = 65_536;
		answer = ({ keepalive, body }) => {
			if (keepalive && String(body).length > room) throw new TypeError("no room");
			if (keepalive) room -= String(body).length;
			return never();
		};
		setNavigator("sendBeacon", () => false);
		const first = known();
		for (let n = 0; n < 50; n++) first.track(`event ${n}`, { text: "x".repeat(1_000) });
		const requests = vi.fn(ask);
		vi.stubGlobal("fetch", requests);
		leave();
		expect(room).toBeLessThan(15_536);
		const next = start();
		await vi.advanceTimersByTimeAsync(1_000);
		next.confirmation({ orderId: "1" });
		requests.mockClear();
		leave();
		const [given] = requests.mock.calls.filter(([, { body } = {}]) => namesIn(body).includes("confirmation"));
		expect(given?.[1]?.keepalive).toBe(true);
		expect(String(given?.[1]?.body).length).toBeLessThan(5_000);
	});
});

test("a large purchase leaves alone, before all else", () => {
	const given: string[][] = [];
	answer = (_, names) => {
		given.push(names);
		return never();
	};
	const tracker = known();
	tracker.track("small");
	tracker.confirmation({ orderId: "1", note: "x".repeat(5_000) });
	leave();
	expect(given).toEqual([["confirmation"], ["login", "small"]]);
});

describe("a request that the browser ends because the page goes", () => {
	const pause = () => JSON.parse(localStorage.getItem(`eventferry:site_${sites}:pause`) ?? "null");

	test.each(["before", "after"])("is no failure, if it ends %s the page is told", async (when) => {
		let end = () => {};
		answer = () =>
			new Promise((_, reject) => {
				end = () => reject(new DOMException("The operation was aborted.", "AbortError"));
			});
		const tracker = known();
		const flushed = tracker.flush();
		await until(() => zipped.length > 0);
		answer = never;
		if (when === "before") {
			end();
			await flushed;
		}
		leave();
		end();
		await flushed;
		expect(pause()?.[1] ?? 0).toBe(0);
	});

	test("says nothing about compression", async () => {
		answer = () => Promise.reject(new DOMException("Aborted.", "AbortError"));
		const tracker = start("/ferry");
		tracker.login({ userId: "1", attributes: { text: "x".repeat(4_000) } });
		await tracker.flush();
		leave();
		expect(zipped[0]).toBe(true);
		expect(pause()?.[2]).toBeUndefined();
	});

	test("but an answer is, and the next page waits", async () => {
		answer = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
		await known().flush();
		leave();
		expect(pause()[1]).toBe(1);
	});

	test("an answer that the proxy gave since stays in force", async () => {
		answer = () => Promise.reject(new TypeError("Failed to fetch"));
		const tracker = known();
		await tracker.flush();
		answer = () => new Response("", { status: 503, headers: { "Retry-After": "120" } });
		await tracker.flush();
		leave();
		expect(pause().slice(0, 2)).toEqual([Date.now() + 120_000, 0]);
	});
});

describe("a compressed body", () => {
	const large = (tracker: Tracker) => {
		tracker.login({ userId: "1" });
		tracker.track("large", { text: "x".repeat(4_000) });
	};
	const html = (status: number) => () => new Response("<h1>Blocked</h1>", { status });
	const firewall = (refusal: () => Response | Promise<Response>) => (given: RequestInit) =>
		typeof given.body === "string" ? accepted() : refusal();

	test.each<[string, () => Response | Promise<Response>]>([
		...[200, 400, 401, 403, 413, 415, 500].map((status): [string, () => Response] => [`${status}`, html(status)]),
		["202", html(202)],
		["no answer", () => Promise.reject(new TypeError("Failed to fetch"))],
		["a reply that never comes", never],
		["our malformed_body", () => Response.json({ code: "malformed_body" }, { status: 400 })],
	])("that fails with %s goes uncompressed, and the next page compresses nothing", async (_, refusal) => {
		answer = firewall(refusal);
		const tracker = start("/ferry");
		large(tracker);
		let isFlushed = false;
		void tracker.flush().then(() => {
			isFlushed = true;
		});
		await until(() => isFlushed && tracker.state().waiting === 0, 30);
		expect(zipped.indexOf(false)).toBeGreaterThan(0);
		zipped = [];
		const next = start("/ferry");
		large(next);
		await until(() => next.state().waiting === 0);
		expect(zipped).toEqual([false]);
	});

	test("that is answered goes uncompressed at once, one that is not after a pause", async () => {
		answer = firewall(html(403));
		const tracker = start("/ferry");
		large(tracker);
		await tracker.flush();
		expect(zipped).toEqual([true, false]);
		localStorage.removeItem(`eventferry:site_${sites}:pause`);
		zipped = [];
		answer = firewall(() => Promise.reject(new TypeError("Failed to fetch")));
		const next = start("/ferry");
		large(next);
		await next.flush();
		expect(zipped).toEqual([true]);
		await next.flush();
		expect(zipped).toEqual([true, false]);
	});

	test.each<[string, unknown]>([
		["is missing", undefined],
		["throws", refuse],
		[
			"never ends",
			class {
				readable = new ReadableStream();
				writable = new WritableStream();
			},
		],
		[
			"rejects",
			class {
				readable = new ReadableStream({ start: (stream) => stream.error(new TypeError("no")) });
				writable = new WritableStream();
			},
		],
	])("is not made where CompressionStream %s", async (_, replaced) => {
		vi.stubGlobal("CompressionStream", replaced);
		const tracker = start("/ferry");
		large(tracker);
		await until(() => tracker.state().waiting === 0, 30);
		expect(zipped).toEqual([false]);
	});

	test("is tried again after an outage, for which it was not to blame", async () => {
		answer = html(502);
		const tracker = start("/ferry");
		large(tracker);
		await until(() => zipped.length >= 2);
		expect(zipped.slice(0, 2)).toEqual([true, false]);
		answer = accepted;
		await until(() => tracker.state().waiting === 0);
		expect(zipped.at(-1)).toBe(true);
	});
});

describe("a refusal", () => {
	const refused = (status: number, body: unknown) => {
		answer = () => Response.json(body, { status });
	};

	test.each([400, 401, 403, 413])("of a stranger, %i, stops and drops nothing", async (status) => {
		refused(status, { message: "blocked" });
		const tracker = known();
		const dropped = vi.fn();
		tracker.on("dropped", dropped);
		await tracker.flush();
		answer = accepted;
		await tracker.flush();
		expect(tracker.state().waiting).toBe(0);
		expect(dropped).not.toHaveBeenCalled();
	});

	test("of a malformed envelope drops nothing", async () => {
		refused(400, { code: "malformed_body" });
		const tracker = known();
		for (let n = 0; n < 9; n++) tracker.track(`event ${n}`);
		const dropped = vi.fn();
		tracker.on("dropped", dropped);
		await tracker.flush();
		expect(sent.length).toBeLessThan(40);
		await tracker.flush();
		expect(tracker.state().waiting).toBe(10);
		answer = accepted;
		await tracker.flush();
		expect(tracker.state().waiting).toBe(0);
		expect(dropped).not.toHaveBeenCalled();
	});

	test("by our code stops the page", async () => {
		const lines = vi.spyOn(console, "warn").mockImplementation(() => {});
		refused(403, { code: "origin_not_allowed" });
		const tracker = known();
		await tracker.flush();
		answer = accepted;
		await tracker.flush();
		expect(tracker.state().waiting).toBe(1);
		expect(lines.mock.calls).toEqual([["eventferry:", "stopped:", "origin_not_allowed"]]);
	});
});
