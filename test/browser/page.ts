import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type { Tracker } from "../../client/index.ts";
import type { Event } from "../../shared/event.ts";
import { type Engine, endAll, launchEngine, type Page, type Visitor } from "./engine.ts";
import { type Site, startSite } from "./site.ts";

/** The window of a page once the script has loaded. */
export type Loaded = Window & { eventferry: Tracker & { push(...commands: unknown[]): void } };

/** Objects shared by the tests of a file: one browser, and a new site and visitor for each test. */
export const world = {} as { engine: Engine; site: Site; visitor: Visitor };

/** Sets up `world` for the tests of a file. */
export function useWorld(): void {
	beforeAll(async () => {
		world.engine = await launchEngine();
	});
	afterAll(async () => {
		await world.engine.close();
		await endAll();
	});
	beforeEach(async () => {
		world.visitor = await world.engine.visitor();
		world.site = await startSite(world.visitor);
	});
	afterEach(async () => {
		await world.visitor.close();
		await world.site.close();
	});
}

export const open = async (path = "/") => {
	const page = await world.visitor.newPage();
	await page.goto(world.site.origin + path);
	return page;
};

/** Calls tracker methods in one task of the page. */
export const call = (page: Page, ...commands: unknown[][]) =>
	page.evaluate((commands) => (window as unknown as Loaded).eventferry.push(...commands), commands);

export const login = ["login", { email: "ada@example.com" }];

export const state = (page: Page) => page.evaluate(() => (window as unknown as Loaded).eventferry.state());

/** Resolves once the page has tried to send every waiting event. */
export const flush = (page: Page) => page.evaluate(() => (window as unknown as Loaded).eventferry.flush());

/** Resolves to the events in IndexedDB. */
export const stored = (page: Page) =>
	page.evaluate(
		() =>
			new Promise<Event[]>((resolve, reject) => {
				const opening = indexedDB.open("eventferry:site_test");
				opening.onerror = reject;
				// The tracker has not created the database yet, and this function must not create it.
				opening.onupgradeneeded = () => {
					resolve([]);
					opening.transaction?.abort();
				};
				opening.onsuccess = () => {
					const reading = opening.result.transaction("events").objectStore("events").getAll();
					reading.onsuccess = () => {
						opening.result.close();
						resolve(reading.result);
					};
				};
			}),
	);

/** Resolves once IndexedDB contains this many events. */
export const untilStored = (page: Page, count: number) =>
	until(
		() => stored(page),
		(events) => events.length === count,
	);

/** Collects further notices of these kinds. */
export const listen = (page: Page, ...kinds: string[]) =>
	page.evaluate((kinds) => {
		const shown = window as unknown as Loaded & { notices: unknown[] };
		shown.notices ??= [];
		for (const kind of kinds) {
			shown.eventferry.on(kind as "error", ({ reason, events }) =>
				shown.notices.push({ kind, reason, count: events.length }),
			);
		}
	}, kinds);
export const notices = (page: Page) => page.evaluate(() => (window as unknown as { notices: unknown[] }).notices);

/** Reads a value again and again until it fulfils a condition. */
export const until = async <Value>(read: () => Promise<Value>, isTrue: (value: Value) => boolean): Promise<Value> => {
	for (;;) {
		const value = await read();
		if (isTrue(value)) return value;
	}
};

export const untilState = (page: Page, isTrue: (state: ReturnType<Tracker["state"]>) => boolean) =>
	until(() => state(page), isTrue);

/**
 * Speeds up the timers and time-outs of pages opened later. The tracker then takes IndexedDB for hanging sooner too,
 * so a test that needs IndexedDB must leave a busy machine some hundred ms.
 */
export const hurry = (times: number) =>
	world.visitor.addInitScript((times) => {
		for (const name of ["setTimeout", "setInterval"] as const) {
			const real = window[name];
			const faster = (work: () => void, ms = 0, ...rest: unknown[]) => real(work, ms / times, ...rest);
			Object.assign(window, { [name]: faster });
		}
		const { timeout } = AbortSignal;
		AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / times);
	}, times);

/**
 * Tells the page that it is hidden, which is often the last event that a page on a phone gets:
 * https://developer.chrome.com/docs/web-platform/page-lifecycle-api.
 */
export const hide = (page: Page) =>
	page.evaluate(() => {
		Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
		document.dispatchEvent(new Event("visibilitychange"));
	});
