// @vitest-environment happy-dom
import process from "node:process";
import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
	createTracker,
	type Notice,
	type NoticeKind,
	type Tracker,
	type TrackerOptions,
} from "../../../client/index.ts";

/** Options with a new write key for each test, so that requests of earlier tests' trackers are ignored. */
let valid: TrackerOptions;
let sites = 0;

const request = vi.fn<typeof fetch>();
const down = async () => new Response("<h1>Bad gateway</h1>", { status: 502 });
const takeAll = async () => Response.json({ accepted: 1, rejected: [] }, { status: 202 });

beforeEach(() => {
	globalThis.indexedDB = new IDBFactory();
	localStorage.clear();
	const writeKey = `site_${++sites}`;
	valid = { proxy: "https://shop.example/ferry", writeKey, isBot: () => false };
	request.mockReset().mockImplementation(takeAll);
	vi.stubGlobal("fetch", (...given: Parameters<typeof fetch>) =>
		String(given[1]?.body).includes(`"${writeKey}"`) ? request(...given) : takeAll(),
	);
	// happy-dom has no Web Locks API. There is only one tab here, so every lock is free.
	const locks = { request: (_name: string, _options: unknown, work: (lock: unknown) => unknown) => work({}) };
	Object.defineProperty(navigator, "locks", { value: locks, configurable: true });
});
afterEach(() => {
	vi.useRealTimers();
	vi.restoreAllMocks();
	vi.unstubAllGlobals();
});

const noticesOf = (tracker: Tracker, kind: NoticeKind) => {
	const notices: Notice[] = [];
	tracker.on(kind, (notice) => notices.push(notice));
	return notices;
};

test.each([
	undefined,
	{},
	{ writeKey: "site_test" },
	{ proxy: "https://shop.example/ferry" },
	{ proxy: "ftp://shop.example", writeKey: "site_test" },
	{ proxy: "shop.example/ferry", writeKey: "site_test" },
	{ proxy: "https://", writeKey: "site_test" },
	{ proxy: "/ferry", writeKey: "" },
	{ proxy: "/ferry", writeKey: 7 },
])("createTracker(%j) throws a TypeError", (options) => {
	expect(() => createTracker(options as unknown as TrackerOptions)).toThrow(TypeError);
});

test.each(["/", "/ferry", "/ferry/", "https://shop.example", "http://127.0.0.1:8788/ferry"])(
	"%s is a valid address of a proxy",
	async (proxy) => {
		const tracker = createTracker({ ...valid, proxy });
		tracker.login({ userId: "1" });
		await tracker.flush();
		const { href } = new URL(`${proxy.replace(/\/$/, "")}/v1/batch`, location.origin);
		expect(request.mock.calls[0]?.[0]).toBe(href);
	},
);

test("no method throws on any input, and each unusable input causes a notice", async () => {
	const tracker = createTracker(valid);
	const rejected = noticesOf(tracker, "rejected");
	const untyped = tracker as unknown as Record<string, (...args: unknown[]) => void>;
	const evil = {
		get color() {
			throw new Error("no");
		},
	};
	untyped.track?.();
	untyped.track?.("n", { big: 1n });
	untyped.track?.("n", {}, evil);
	untyped.login?.();
	untyped.login?.({ email: 7 });
	untyped.update?.([]);
	untyped.confirmation?.({});
	await tracker.flush();
	expect(rejected).toHaveLength(7);
	expect(tracker.state()).toMatchObject({ waiting: 0, held: 0 });
});

test("a refused login changes nothing", () => {
	const tracker = createTracker(valid);
	tracker.login({ email: "ada@example.com", attributes: { big: 1n } });
	expect(tracker.state()).not.toHaveProperty("email");
});

test("a removed listener receives no more notices", async () => {
	const tracker = createTracker(valid);
	const listener = vi.fn();
	tracker.on("rejected", listener)();
	tracker.track("");
	await tracker.flush();
	expect(listener).not.toHaveBeenCalled();
});

test("debug logs notices to the console without ids and e-mails", async () => {
	const lines = vi.spyOn(console, "warn").mockImplementation(() => {});
	const tracker = createTracker({ ...valid, debug: true });
	tracker.login({ email: "ada@example.com", userId: "user-7" });
	tracker.track("n", { email: "ada@example.com", toJSON: () => [] });
	await tracker.flush();
	const said = lines.mock.calls.map((parts) => parts.join(" "));
	expect(said).toEqual(["eventferry: rejected: data: not an object", "eventferry: delivered: accepted"]);
});

test("a console that throws stops nothing: no method throws, and events are delivered", async () => {
	vi.spyOn(console, "warn").mockImplementation(() => {
		throw new Error("no console");
	});
	const uncaught = vi.fn();
	vi.stubGlobal("queueMicrotask", (work: () => void) => Promise.resolve().then(work).catch(uncaught));
	const tracker = createTracker({ ...valid, debug: true });
	tracker.track("");
	tracker.login({ userId: "1" });
	await tracker.flush();
	expect(tracker.state().waiting).toBe(0);
	expect(uncaught).toHaveBeenCalledWith(new Error("no console"));
});

test("a page that breaks JSON later loses nothing", async () => {
	vi.spyOn(JSON, "stringify").mockImplementation(() => {
		throw new Error("no JSON");
	});
	request.mockImplementation(async () => new Response('{"accepted":1,"rejected":[]}', { status: 202 }));
	const tracker = createTracker(valid);
	tracker.login({ userId: "1" });
	await tracker.flush();
	expect(request).toHaveBeenCalledOnce();
	expect(tracker.state().waiting).toBe(0);
});

test.each([
	[
		"that throws",
		() => {
			throw new Error("no JSON");
		},
	],
	["that loses events", (value: unknown) => ((value as { events?: unknown }).events ? '{"events":[]}' : "{}")],
])("a JSON %s before the script starts sends nothing and rejects nothing unheard", async (_, stringify) => {
	const unhandled = vi.fn();
	process.on("unhandledRejection", unhandled);
	// The trackers of earlier tests get no answers, as making them needs JSON.
	const fetched = vi.fn<typeof fetch>(() => new Promise(() => {}));
	vi.stubGlobal("fetch", fetched);
	const { stringify: real } = JSON;
	JSON.stringify = stringify;
	vi.resetModules();
	const { createTracker } = await import("../../../client/index.ts");
	const tracker = createTracker(valid);
	tracker.login({ userId: "1" });
	dispatchEvent(new Event("pagehide"));
	await tracker.flush();
	JSON.stringify = real;
	process.off("unhandledRejection", unhandled);
	const bodies = fetched.mock.calls.map(([, init]) => String(init?.body));
	expect(bodies.filter((body) => !body.includes("writeKey") || body.includes(`"${valid.writeKey}"`))).toEqual([]);
	expect(unhandled).not.toHaveBeenCalled();
});

test("with beforeLogin drop nothing is recorded before a login", async () => {
	const tracker = createTracker({ ...valid, beforeLogin: "drop" });
	const dropped = noticesOf(tracker, "dropped");
	tracker.track("before");
	tracker.login({ userId: "1" });
	tracker.track("after");
	expect(tracker.state()).toMatchObject({ held: 0, waiting: 2 });
	await tracker.flush();
	expect(dropped).toMatchObject([{ reason: "before login" }]);
});

test("Global Privacy Control opts out only where it is respected", () => {
	vi.stubGlobal("navigator", Object.assign(Object.create(navigator), { globalPrivacyControl: true }));
	expect(createTracker(valid).state().consent).toBe("granted");
	expect(createTracker({ ...valid, respectGpc: true }).state().consent).toBe("denied");
});

test("opting in despite Global Privacy Control is remembered until the next opt-out", () => {
	vi.stubGlobal("navigator", Object.assign(Object.create(navigator), { globalPrivacyControl: true }));
	const gpc = { ...valid, respectGpc: true };
	createTracker(gpc).optIn();
	expect(createTracker(gpc).state().consent).toBe("granted");
	createTracker(gpc).optOut();
	expect(createTracker(gpc).state().consent).toBe("denied");
});

test("a prerendered page stores and sends nothing until it is shown", async () => {
	Object.defineProperty(document, "prerendering", { value: true, configurable: true });
	const tracker = createTracker(valid);
	tracker.login({ userId: "1" });
	await tracker.flush();
	expect(request).not.toHaveBeenCalled();
	expect(localStorage).toHaveLength(0);
	Reflect.deleteProperty(document, "prerendering");
	document.dispatchEvent(new Event("prerenderingchange"));
	await tracker.flush();
	expect(request).toHaveBeenCalledOnce();
});

test("events that waited for consent get the person who logged in meanwhile in another tab", () => {
	const waits = createTracker({ ...valid, consent: "pending" });
	waits.track("before");
	const otherTab = createTracker(valid);
	otherTab.login({ userId: "1" });
	waits.optIn();
	expect(waits.state()).toMatchObject({ anonymousId: otherTab.state().anonymousId, userId: "1", held: 0, waiting: 1 });
});

test("consent given on a page holds again after another tab opts out and in", () => {
	const page = createTracker({ ...valid, consent: "pending" });
	page.optIn();
	const otherTab = createTracker(valid);
	const follow = () => dispatchEvent(Object.assign(new Event("storage"), { key: `eventferry:${valid.writeKey}` }));
	otherTab.optOut();
	follow();
	expect(page.state().consent).toBe("denied");
	otherTab.optIn();
	follow();
	expect(page.state().consent).toBe("granted");
});

test("events carry the person as known when they were captured", async () => {
	const tracker = createTracker(valid);
	tracker.login({ userId: "y" });
	tracker.track("y's");
	tracker.login({ userId: "x" });
	tracker.track("x's");
	await tracker.flush();
	const { events } = JSON.parse(String(request.mock.calls[0]?.[1]?.body));
	expect(events.map(({ person }: { person: { userId: string } }) => person.userId)).toEqual(["y", "y", "x", "x"]);
	expect(new Set(events.map(({ person }: { person: { anonymousId: string } }) => person.anonymousId)).size).toBe(2);
});

test("attributes that are null, and lists of labels, are sent as they are", async () => {
	const tracker = createTracker(valid);
	const attributes = { plan: null, segments: ["vip"], tags: [] };
	tracker.login({ userId: "x", attributes });
	tracker.update(attributes);
	await tracker.flush();
	const { events } = JSON.parse(String(request.mock.calls[0]?.[1]?.body));
	expect(events.map(({ data }: { data: unknown }) => data)).toEqual([attributes, attributes]);
});

test("without flush(), waiting events are sent after 5 s", async () => {
	const tracker = createTracker(valid);
	await tracker.flush();
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
	tracker.login({ userId: "1" });
	await vi.advanceTimersByTimeAsync(4_999);
	expect(request).not.toHaveBeenCalled();
	vi.advanceTimersByTime(1);
	await vi.waitFor(() => expect(request).toHaveBeenCalledOnce(), { timeout: 60_000 });
});

/** Creates a tracker that has just failed to deliver for the tenth time in a row. */
async function inOutage() {
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
	vi.spyOn(Math, "random").mockReturnValue(1);
	localStorage.setItem(`eventferry:${valid.writeKey}:pause`, "[0,9]");
	const tracker = createTracker(valid);
	tracker.login({ userId: "1" });
	request.mockImplementation(down);
	await tracker.flush();
	return tracker;
}

test("new events are not delayed once an outage is over", async () => {
	const tracker = await inOutage();
	request.mockImplementation(takeAll);
	dispatchEvent(new Event("online"));
	await vi.waitFor(() => expect(tracker.state().waiting).toBe(0), { timeout: 60_000 });
	tracker.track("after the outage");
	vi.advanceTimersByTime(5_000);
	await vi.waitFor(() => expect(request).toHaveBeenCalledTimes(3), { timeout: 60_000 });
});

test("events captured during an outage cause no further attempts to send", async () => {
	const tracker = await inOutage();
	const lockRequests = vi.spyOn(navigator.locks, "request");
	for (let n = 0; n < 30; n++) tracker.track("meanwhile");
	await vi.advanceTimersByTimeAsync(4_000);
	expect(lockRequests).not.toHaveBeenCalled();
});

test("a tab stops waiting once another tab has found that the outage is over", async () => {
	const tracker = await inOutage();
	request.mockImplementation(takeAll);
	await vi.advanceTimersByTimeAsync(400);
	const otherTab = createTracker(valid);
	await otherTab.flush();
	tracker.track("after the outage");
	vi.advanceTimersByTime(5_000);
	await vi.waitFor(() => expect(request).toHaveBeenCalledTimes(3), { timeout: 60_000 });
});

test("a pause stored under a wrong clock neither stops sending nor causes a busy loop", async () => {
	localStorage.setItem(`eventferry:${valid.writeKey}:pause`, JSON.stringify([Date.now() + 1e12, 0]));
	const timers = vi.spyOn(globalThis, "setTimeout");
	const tracker = createTracker(valid);
	tracker.login({ userId: "1" });
	await tracker.flush();
	expect(request).toHaveBeenCalledOnce();
	for (const [, ms = 0] of timers.mock.calls) expect(ms).toBeLessThan(2 ** 31);
});

describe("copies in one window", () => {
	const deny = () =>
		vi.stubGlobal(
			"localStorage",
			new Proxy(
				{},
				{
					get: () => {
						throw new DOMException("denied", "SecurityError");
					},
				},
			),
		);

	test.each([
		["with localStorage", () => {}],
		["without localStorage", deny],
	])("share the visitor and the consent of their write key, %s", async (_, prepare) => {
		prepare();
		const tag = createTracker(valid);
		const other = createTracker({ ...valid, writeKey: `${valid.writeKey}_other` });
		tag.track("before");
		const copy = createTracker({ ...valid, consent: "pending" });
		expect(copy.state()).toMatchObject({ anonymousId: tag.state().anonymousId, consent: "granted" });
		copy.login({ userId: "1" });
		tag.track("one's");
		expect(tag.state()).toMatchObject({ userId: "1", waiting: 2, held: 0 });
		copy.reset();
		expect(tag.state()).not.toHaveProperty("userId");
		copy.login({ userId: "2" });
		tag.track("two's");
		expect(createTracker(valid).state()).toMatchObject({ userId: "2", anonymousId: copy.state().anonymousId });
		await tag.flush();
		await copy.flush();
		const sent = request.mock.calls.flatMap(([, init]) => JSON.parse(String(init?.body)).events);
		expect(
			Object.fromEntries(sent.map(({ name, type, person }) => [name ?? `${type} ${person.userId}`, person.userId])),
		).toEqual({
			...{ before: "1", "login 1": "1", "one's": "1" },
			...{ "login 2": "2", "two's": "2" },
		});
		copy.optOut();
		expect(tag.state().consent).toBe("denied");
		expect(createTracker(valid).state().consent).toBe("denied");
		tag.optIn();
		expect(copy.state().consent).toBe("granted");
		expect(other.state()).toMatchObject({ consent: "granted", waiting: 0 });
	});

	test("share the visitor though localStorage is full", () => {
		localStorage.setItem(`eventferry:${valid.writeKey}`, JSON.stringify({ anonymousId: "a", userId: "1" }));
		const tag = createTracker(valid);
		vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
			throw new DOMException("full", "QuotaExceededError");
		});
		tag.login({ userId: "2" });
		expect(createTracker(valid).state()).toMatchObject({ userId: "2" });
	});

	test("wait for consent together", () => {
		const [tag, copy] = [createTracker({ ...valid, consent: "pending" }), createTracker(valid)];
		copy.login({ userId: "1" });
		expect(localStorage).toHaveLength(0);
		tag.optIn();
		expect(copy.state()).toMatchObject({ consent: "granted", waiting: 1 });
		expect(localStorage.length).toBeGreaterThan(0);
	});
});

test("a refused login or purchase is a line in the console without debug, and nothing else is", async () => {
	const lines = vi.spyOn(console, "warn").mockImplementation(() => {});
	const refused = (code: string) => async (_url: unknown, init?: RequestInit) => {
		const { events }: { events: { id: string }[] } = JSON.parse(String(init?.body));
		const rejected = events.map(({ id }) => ({ id, code, message: "no" }));
		return Response.json({ accepted: 0, rejected }, { status: 202 });
	};
	request.mockImplementation(refused("invalid_event"));
	const tracker = createTracker(valid);
	tracker.track("");
	tracker.update([] as never);
	tracker.login({ userId: "undefined", email: null });
	tracker.confirmation({ orderId: "" });
	tracker.login({ userId: 7 });
	tracker.track("refused by the proxy");
	await tracker.flush();
	await expect
		.poll(() => lines.mock.calls.map((parts) => parts.join(" ")))
		.toEqual([
			"eventferry: rejected: login: no email, userId or token",
			"eventferry: rejected: orderId: missing",
			"eventferry: rejected: invalid_event: no",
		]);
});

test("markup that takes the document's names loses no event", async () => {
	for (const name of ["prerendering", "visibilityState", "title", "referrer", "addEventListener", "hidden"]) {
		Object.defineProperty(document, name, { value: document.createElement("form"), configurable: true });
	}
	const tracker = createTracker(valid);
	tracker.login({ userId: "1" });
	await tracker.flush();
	for (const name of ["prerendering", "visibilityState", "title", "referrer", "addEventListener", "hidden"]) {
		Reflect.deleteProperty(document, name);
	}
	expect(request).toHaveBeenCalledOnce();
});

test("without crypto, structuredClone, Intl and compression, events are recorded and delivered", async () => {
	for (const name of ["crypto", "structuredClone", "Intl", "CompressionStream", "indexedDB"])
		vi.stubGlobal(name, undefined);
	const tracker = createTracker(valid);
	tracker.login({ userId: "1" });
	await tracker.flush();
	expect(tracker.state().waiting).toBe(0);
	expect(request).toHaveBeenCalledOnce();
});
