import type { Chromium } from "../../browser/chromium.ts";
import type { Received } from "./collector.ts";
import type { Page } from "./peer.ts";
import { burst, bursts, idle, run, type Visit, visit } from "./visit.ts";

export interface Delivery {
	/** Requests and bytes of body an event, of 50 events in 5 s. */
	requests: number;
	bytes: number;
	/** Of 1,000 events in one burst: requests, and how many events have come. */
	requestsOf1000: number;
	arrivedOf1000: number;
	/** Of 50 events before the tab closes, in several rounds: how many have come, and how many once a next page was open. */
	closed: number[];
	closedThenOpened: number[];
	/** Of 200 events while nothing answers, then a next page: how many have come. */
	afterOutage: number;
	/** How many of each came more than once. As a tab closes, what is in flight may go again. */
	closedTwice: number[];
	outageTwice: number;
}

/** Opens a next page of the site, which records an event of its own: some send what they have kept only then. */
async function openNext(open: Visit["open"]): Promise<void> {
	const next = await open();
	await next.evaluate(() => window.track("next-page"));
}

const doubles = ({ marks }: Received) => [...marks.values()].filter((times) => times > 1).length;

/** A tab that closes right after 50 events, then a next page: a race, which ends differently each time. */
const closing = (chromium: Chromium, peer: Page) =>
	visit(chromium, peer, async ({ page, collector, open }) => {
		await run(page, "/ferry/peer.js");
		await idle(1_000);
		collector.reset();
		await burst(page, 0, 50);
		await page.close({ runBeforeUnload: true });
		await collector.settled(50, 3_000);
		const closed = collector.received().marks.size;
		await openNext(open);
		await collector.settled(50, 8_000);
		await idle(2_000);
		return { closed, later: collector.received() };
	});

export async function delivery(chromium: Chromium, peer: Page, rounds: number): Promise<Delivery> {
	const few = await visit(chromium, peer, async ({ page, collector }) => {
		await run(page, "/ferry/peer.js");
		await idle(1_000);
		collector.reset();
		await bursts(page, 50, 1, 97);
		await collector.settled(50, 12_000);
		await idle(500);
		return collector.received();
	});
	const many = await visit(chromium, peer, async ({ page, collector }) => {
		await run(page, "/ferry/peer.js");
		await idle(1_000);
		collector.reset();
		await burst(page, 0, 1_000);
		await collector.settled(1_000, 15_000);
		return collector.received();
	});
	const closings: { closed: number; later: Received }[] = [];
	for (let round = 0; round < rounds; round++) closings.push(await closing(chromium, peer));
	const outage = await visit(chromium, peer, async ({ page, collector, open }) => {
		await run(page, "/ferry/peer.js");
		await idle(1_000);
		collector.reset();
		collector.down(true);
		await bursts(page, 20, 10, 100);
		await idle(3_000);
		await page.close({ runBeforeUnload: true });
		await idle(500);
		collector.down(false);
		await openNext(open);
		await collector.settled(200, 20_000);
		await idle(2_000);
		return collector.received();
	});
	return {
		requests: few.requests,
		bytes: few.bytes / 50,
		requestsOf1000: many.requests,
		arrivedOf1000: many.marks.size,
		closed: closings.map(({ closed }) => closed),
		closedThenOpened: closings.map(({ later }) => later.marks.size),
		afterOutage: outage.marks.size,
		closedTwice: closings.map(({ later }) => doubles(later)),
		outageTwice: doubles(outage),
	};
}

/** Bytes by which the page's memory has grown after 10,000 events were delivered. */
export async function memory(chromium: Chromium, peer: Page): Promise<number> {
	return visit(chromium, peer, async ({ page, collector, heap }) => {
		await run(page, "/ferry/peer.js");
		await burst(page, 0, 500);
		await collector.settled(500);
		await idle(1_000);
		const before = await heap();
		for (let n = 500; n < 10_500; n += 500) {
			await burst(page, n, 500);
			await collector.settled(n + 500);
		}
		await idle(1_000);
		return (await heap()) - before;
	});
}
