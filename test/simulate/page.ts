import { readFileSync } from "node:fs";
import { compileFunction } from "node:vm";
import type { Command, ScriptTag } from "../../client/contract.ts";
import type { Notice } from "../../client/notices.ts";
import type { Browser } from "./browser.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Answer, Network } from "./network.ts";
import { indexedDbOf, localStorageOf } from "./storage.ts";

/** Page of the shop, open in a tab. */
export interface Page {
	url: string;
	/** Time by the page's clock, in ms since the epoch. */
	now(): number;
	push(command: Command): void;
	/** Hides the page, as when the visitor changes to another tab. */
	hide(): void;
	/** Closes the page with its events, as when the visitor goes on or closes the tab. */
	close(): void;
	/** Ends the page without any event, as when the tab or the browser is killed. */
	kill(): void;
	/** Notifies the page that the network is back. */
	online(): void;
	/** Notifies the page that another page has written to `localStorage`. */
	stored(key: string): void;
}

export interface PageOptions {
	clock: SimulatedClock;
	network: Network;
	writeKey: string;
	origin: string;
	/** Called for each answered batch, with `Network.count()` as it was sent and as it was answered. */
	answered(browser: Browser, body: string, answer: Answer, order: { sent: number; answered: number }): void;
	/** Called for events that the snippet dropped or the proxy rejected. */
	gone(browser: Browser, notice: Notice): void;
}

/** Globals of the page, which the snippet gets in place of Node's. */
const names = [
	"window",
	"globalThis",
	"document",
	"navigator",
	"location",
	"localStorage",
	"indexedDB",
	"fetch",
	"setTimeout",
	"clearTimeout",
	"setInterval",
	"clearInterval",
	"addEventListener",
	"Document",
	"Date",
	"AbortSignal",
	"crypto",
	"console",
] as const;

/** Built file of the script tag, compiled once; each page runs it anew. */
const snippet = compileFunction(readFileSync(new URL("../../dist/client.js", import.meta.url), "utf8"), [...names]) as (
	...page: unknown[]
) => void;

const denied = () => {
	throw new DOMException("denied", "SecurityError");
};
const never = () => new Promise<never>(() => {});

/** Creates the timers of a page, which end with it. */
function createTimers() {
	const running = new Set<ReturnType<typeof setTimeout>>();
	const stop = (timer: ReturnType<typeof setTimeout> | undefined) => {
		if (timer !== undefined && running.delete(timer)) clearTimeout(timer);
	};
	const start = <Timer extends ReturnType<typeof setTimeout>>(timer: Timer): Timer => {
		running.add(timer);
		return timer;
	};
	return {
		later: (work: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
			const timer = start(
				setTimeout(() => {
					running.delete(timer);
					work(...args);
				}, ms),
			);
			return timer;
		},
		each: (work: (...args: unknown[]) => void, ms: number, ...args: unknown[]) => start(setInterval(work, ms, ...args)),
		stop,
		stopAll: () => running.forEach(stop),
	};
}

/** Creates the event listeners of a page. */
function createEvents() {
	const listeners = new Map<string, ((event: object) => void)[]>();
	return {
		listen(name: string, listener: (event: object) => void) {
			listeners.set(name, [...(listeners.get(name) ?? []), listener]);
		},
		dispatch(name: string, event: object = {}) {
			for (const listener of listeners.get(name) ?? []) listener(event);
		},
		clear: () => listeners.clear(),
	};
}

/** Creates the `fetch` of a page, which leads over the visitor's line to the proxy. */
function createFetch(options: PageOptions, browser: Browser, isAlive: () => boolean) {
	const { network, origin, answered } = options;
	async function send(url: string, body: string, keepalive = false): Promise<Answer> {
		// Closing a page aborts its requests, except with `keepalive`:
		// https://developer.mozilla.org/en-US/docs/Web/API/RequestInit#keepalive
		if (!isAlive() && !keepalive) return never();
		const sent = network.count();
		const answer = await network.post(new URL(url).pathname, body, {
			origin,
			"content-type": "text/plain;charset=UTF-8",
			"user-agent": browser.userAgent,
			"x-forwarded-for": browser.address,
		});
		answered(browser, body, answer, { sent, answered: network.count() });
		return answer;
	}
	return async (url: string, init: { body: string; keepalive?: boolean; signal?: AbortSignal }): Promise<Response> => {
		const { body, keepalive, signal } = init;
		const aborted = new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
		const arriving = network.over(browser.line, browser.random, () => send(url, body, keepalive));
		const answer = await Promise.race([arriving, aborted]);
		return isAlive() ? new Response(answer.body, { status: answer.status, headers: answer.headers }) : never();
	};
}

/**
 * Creates the Web Locks of a page. One page of a browser at a time holds the lock, and releases it as it goes:
 * https://developer.mozilla.org/en-US/docs/Web/API/Web_Locks_API
 */
function createLocks(browser: Browser, whenGone: Promise<never>) {
	return {
		request<Result>(_name: string, _options: unknown, work: () => Promise<Result>): Promise<Result> {
			const held = browser.lockFree.then(() => Promise.race([whenGone, Promise.resolve().then(work)]));
			browser.lockFree = held.catch(() => {});
			return held;
		},
	};
}

/** Opens a page: runs the snippet with the globals that it uses. The page view is the first event. */
export function openPage(options: PageOptions, browser: Browser, path: string): Page {
	const { clock, origin, writeKey } = options;
	const url = `${origin}${path}`;
	const timers = createTimers();
	const { listen, dispatch, clear } = createEvents();
	let isAlive = true;
	const gone = Promise.withResolvers<never>();
	gone.promise.catch(() => {});

	const now = () => clock.now() + browser.clockOff;
	const notifyOthers = (key: string) => {
		for (const page of browser.pages) if (page !== self) setTimeout(() => page.stored(key));
	};
	const document = {
		hidden: false,
		visibilityState: "visible",
		title: "Shop",
		referrer: "https://www.google.com/",
		currentScript: { src: `${origin}/ferry/client.js`, dataset: { writeKey, clicks: "off" } },
	};
	const onNotice = (notice: Notice) => options.gone(browser, notice);
	const when = now();
	const waiting = [
		["on", "dropped", onNotice],
		["on", "rejected", onNotice],
		Object.assign(["page"], { when }),
	] as unknown as ScriptTag;
	const window = { eventferry: waiting };
	const page: Record<(typeof names)[number], unknown> = {
		window,
		globalThis: window,
		document,
		navigator: {
			userAgent: browser.userAgent,
			webdriver: browser.webdriver,
			language: "en-GB",
			...(browser.has.locks && { locks: createLocks(browser, gone.promise) }),
		},
		location: new URL(url),
		localStorage: browser.has.localStorage
			? localStorageOf(browser.disk, notifyOthers)
			: new Proxy({}, { get: denied, set: denied, deleteProperty: denied, ownKeys: denied }),
		indexedDB: browser.has.indexedDb ? indexedDbOf(browser.disk, timers.later) : { open: denied },
		fetch: createFetch(options, browser, () => isAlive),
		setTimeout: timers.later,
		clearTimeout: timers.stop,
		setInterval: timers.each,
		clearInterval: timers.stop,
		addEventListener: listen,
		Document: { prototype: document },
		Date: { now },
		AbortSignal: {
			timeout(ms: number) {
				const controller = new AbortController();
				timers.later(() => controller.abort(new DOMException("timed out", "TimeoutError")), ms);
				return controller.signal;
			},
		},
		crypto: { getRandomValues: (words: Uint32Array) => words.map(() => browser.random.next() * 2 ** 32) },
		console: { warn() {} },
	};

	function end(): void {
		isAlive = false;
		browser.pages.delete(self);
		timers.stopAll();
		clear();
		gone.reject(new Error("the page has gone"));
	}
	const self: Page = {
		url,
		now,
		push: (command) => void window.eventferry.push(command),
		hide() {
			document.hidden = true;
			document.visibilityState = "hidden";
			dispatch("visibilitychange");
		},
		close() {
			self.hide();
			dispatch("pagehide", { persisted: false });
			end();
		},
		kill: end,
		online: () => dispatch("online"),
		stored: (key) => dispatch("storage", { key }),
	};
	browser.pages.add(self);
	snippet(...names.map((name) => page[name]));
	return self;
}
