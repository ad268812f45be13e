import type { Command } from "../../client/contract.ts";
import type { Event } from "../../shared/event.ts";
import { type Browser, createBrowser } from "./browser.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Entry, Ledger } from "./ledger.ts";
import { openPage, type Page, type PageOptions } from "./page.ts";
import { createRandom, type Random } from "./random.ts";

export interface Day {
	clock: SimulatedClock;
	page: PageOptions;
	ledger: Ledger;
	/** End of the visitors' day, in ms since the epoch. */
	closesAt: number;
	/** Called for each order placed, so that the shop's backend reports it too. */
	ordered(order: { orderId: string; email: string; total: number; items: { id: string; quantity: number }[] }): void;
	counts: { visitors: Record<Kind, number>; visits: number; pages: number; byBots: number; optedOut: number };
}

/** Kind of visitor: bots run the page's scripts, newcomers log in today, members are logged in on every page. */
/** An event as a page captures it, without its time and place. */
type Named = Pick<Event, "type" | "data"> & { name?: string };

type Kind = "bot" | "glance" | "browse" | "newcomer" | "member";

export interface Visitor {
	index: number;
	kind: Kind;
	browser: Browser;
	random: Random;
	person: { email?: string; userId?: string };
	isLoggedIn: boolean;
	hasOptedOut: boolean;
	/** Page of the opt-out. A browser without `localStorage` forgets the opt-out after this page. */
	optedOutOn?: Page;
	/** True once one of the visitor's pages was killed. */
	wasKilled: boolean;
	visits: number;
	basket: number;
}

const second = 1_000;
const minute = 60_000;

function kindOf(random: Random): Kind {
	const place = random.next();
	if (place < 0.06) return "bot";
	if (place < 0.4) return "glance";
	if (place < 0.84) return "browse";
	return place < 0.94 ? "newcomer" : "member";
}

/** Creates a visitor that `index` and `seed` alone determine. */
export function createVisitor(index: number, seed: number): Visitor {
	const random = createRandom(seed * 1_000_003 + index * 7_919);
	const kind = kindOf(random);
	const email = `visitor${index}@example.com`;
	const userId = `u-${index}`;
	// Give some people a user id and no e-mail.
	const person = random.chance(0.04) ? { userId } : random.chance(0.5) ? { email, userId } : { email };
	return {
		index,
		kind,
		browser: createBrowser(index, random, kind === "bot"),
		random,
		person,
		isLoggedIn: false,
		hasOptedOut: false,
		wasKilled: false,
		visits: 0,
		basket: 0,
	};
}

/** Plays one visit, with all its tabs and pages; resolves once the last page is gone. */
export async function visit(day: Day, visitor: Visitor): Promise<void> {
	const { clock, ledger, counts } = day;
	const { browser, random, kind, person } = visitor;
	const { sleep } = clock;
	const isOver = () => clock.now() >= day.closesAt;
	visitor.visits += 1;
	counts.visits += 1;

	/** Returns true if an opt-out applies to a page, or to one that is opened now. */
	const isOptedOut = (page?: Page) => visitor.hasOptedOut && (browser.has.localStorage || page === visitor.optedOutOn);

	function capture(page: Page, event: Named, rest: Partial<Entry> = {}): void {
		const context = { url: page.url };
		ledger.capture(visitor.index, { ...event, at: page.now(), context }, { at: clock.now(), ...rest });
	}

	function record(page: Page, event: Named, command: Command, rest: Partial<Entry> = {}): void {
		if (kind === "bot") counts.byBots += 1;
		else if (isOptedOut(page)) counts.optedOut += 1;
		else capture(page, event, rest);
		page.push(command);
	}

	function track(page: Page, name: string, more: Record<string, unknown> = {}): void {
		const data = { n: ledger.nextNumber(), ...more };
		record(page, { type: "track", name, data }, ["track", name, data]);
	}

	function login(page: Page): void {
		visitor.isLoggedIn = true;
		const attributes = { firstname: "Visitor", lastname: `No. ${visitor.index}`, visits: visitor.visits };
		record(page, { type: "login", data: attributes }, ["login", { ...person, attributes }], { sets: attributes });
	}

	function update(page: Page): void {
		const attributes = { basket: visitor.basket };
		record(page, { type: "update", data: attributes }, ["update", attributes], { sets: attributes });
	}

	function purchase(page: Page): void {
		const orderId = `A-${visitor.index}-${visitor.visits}`;
		const items = [{ id: `sku-${random.whole(1, 400)}`, quantity: random.whole(1, 3) }];
		const total = visitor.basket;
		const order = { orderId, total, items, n: ledger.nextNumber() };
		record(page, { type: "confirmation", data: order }, ["confirmation", order], { orderId });
		visitor.basket = 0;
		if (person.email !== undefined) day.ordered({ orderId, email: person.email, total, items });
	}

	function open(): Page {
		counts.pages += 1;
		if (kind === "bot") counts.byBots += 1;
		else if (isOptedOut()) counts.optedOut += 1;
		const page = openPage(day.page, browser, `/products/${random.whole(1, 400)}`);
		if (kind !== "bot" && !isOptedOut()) capture(page, { type: "page", data: undefined });
		return page;
	}

	/** Plays what a visitor does on one page. */
	async function usePage(page: Page): Promise<void> {
		await sleep(random.between(second, 4 * second));
		if (visitor.isLoggedIn || kind === "member") login(page);
		if (random.chance(0.7)) track(page, "product:viewed", { productId: `sku-${random.whole(1, 400)}` });
		await sleep(random.around(15 * second));
		if (random.chance(0.12)) track(page, "search", { query: "espresso machine", results: random.whole(0, 40) });
		if (random.chance(0.15)) {
			visitor.basket += random.whole(5, 120);
			track(page, "basket:item:added", { quantity: random.whole(1, 3) });
			if (visitor.isLoggedIn) update(page);
		}
		await sleep(random.around(15 * second));
	}

	async function leave(page: Page): Promise<void> {
		const way = random.next();
		if (way < 0.6) return page.close();
		if (way < 0.98) {
			// Phones hide a page, and kill it some time later.
			page.hide();
			await sleep(random.between(second, 30 * second));
		}
		visitor.wasKilled = true;
		page.kill();
	}

	async function tab(pages: number, isMain: boolean): Promise<void> {
		const loginAt = kind === "newcomer" && isMain ? random.whole(0, pages - 1) : -1;
		for (let place = 0; place < pages && !isOver(); place += 1) {
			const page = open();
			if (isMain && place === 0 && visitor.visits === 1 && random.chance(0.015)) {
				visitor.hasOptedOut = true;
				visitor.optedOutOn = page;
				page.push(["optOut"]);
			}
			await usePage(page);
			if (place === loginAt) login(page);
			const isLast = place === pages - 1 || isOver();
			if (isLast && isMain && visitor.isLoggedIn && visitor.basket > 0 && random.chance(0.5)) purchase(page);
			if (isLast) {
				await sleep(random.around(2 * second));
				await leave(page);
			} else page.close();
		}
	}

	/** Takes the browser offline for a while, as in a tunnel. */
	async function tunnel(): Promise<void> {
		await sleep(random.between(0, minute));
		browser.line.isOffline = true;
		await sleep(random.around(2 * minute));
		browser.line.isOffline = false;
		for (const page of browser.pages) page.online();
	}

	const pages = kind === "glance" ? 1 : random.whole(2, 8);
	const tabs = [tab(pages, true)];
	if (kind !== "glance" && random.chance(0.25)) {
		tabs.push(sleep(random.around(40 * second)).then(() => tab(random.whole(1, 3), false)));
	}
	if (random.chance(0.03)) tabs.push(tunnel());
	await Promise.all(tabs);
}

/** Sets the fates of a visitor's events after the last visit, by what the browser still stores. */
export function settleFates({ ledger }: Day, { index, browser, hasOptedOut, wasKilled }: Visitor): void {
	const { items, databases } = browser.disk;
	const stored = [
		...[...databases.values()].flatMap((database) => [...database.values()]),
		...[...items].flatMap(([key, value]) => (key.includes(":event:") ? [value] : [])),
	].map((text) => JSON.parse(text) as Event);
	for (const event of stored) {
		const entry = ledger.find(index, event);
		if (!entry || entry.accepted) continue;
		entry.fate ??=
			event.person.email || event.person.userId
				? "waiting in a browser for the visitor's next visit"
				: "held in the browser of a visitor who did not log in";
	}
	for (const entry of ledger.close(index)) {
		if (entry.accepted || entry.fate) continue;
		if (hasOptedOut) entry.fate = "deleted by the visitor's opt-out or logout";
		else if (!browser.has.indexedDb && !browser.has.localStorage)
			entry.fate = "lost with a page that could store nothing";
		else if (!browser.has.localStorage) entry.fate = "deleted because its browser keeps no identity from page to page";
		else if (wasKilled) entry.fate = "lost with a tab that was killed";
	}
	browser.disk.items.clear();
	browser.disk.databases.clear();
}
