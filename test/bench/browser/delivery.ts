import type { Chromium } from "../../browser/chromium.ts";
import type { Received } from "./collector.ts";
import type { Page } from "./peer.ts";
import { burst, bursts, idle, run, type Visit, visit } from "./visit.ts";

export interface Delivery {
	/** Requests for 50 events in 5 s. */
	requests: number;
	/** Bytes of body per event, for the same events. */
	bytes: number;
	/** Requests for 1,000 events in one burst. */
	requestsOf1000: number;
	/** Arrived events of this burst. */
	arrivedOf1000: number;
	/** Arrived events of 50 right before the tab closes, by round. */
	closed: number[];
	/** Arrived events of the same 50 after a next page was open, by round. */
	closedThenOpened: number[];
	/** Arrived events of 200 during an outage, after a next page was open. */
	afterOutage: number;
	/** Events that came twice around a closed tab, by round. Events in flight may be sent again as a tab closes. */
	closedTwice: number[];
	/** Events that came twice after the outage. */
	outageTwice: number;
}

/** Opens a next page of the site and records an event there. Some trackers send stored events only then. */
async function openNext(open: Visit["open"]): Promise<void> {
	const next = await open();
	await next.evaluate(() => window.track("next-page"));
}

const doubles = ({ marks }: Received) => [...marks.values()].filter((times) => times > 1).length;

/** Closes a tab right after 50 events, then opens a next page. The outcome is a race and differs each time. */
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
	const spaced = await visit(chromium, peer, async ({ page, collector }) => {
		await run(page, "/ferry/peer.js");
		await idle(1_000);
		collector.reset();
		await bursts(page, 50, 1, 97);
		await collector.settled(50, 12_000);
		await idle(500);
		return collector.received();
	});
	const burstOf1000 = await visit(chromium, peer, async ({ page, collector }) => {
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
		requests: spaced.requests,
		bytes: spaced.bytes / 50,
		requestsOf1000: burstOf1000.requests,
		arrivedOf1000: burstOf1000.marks.size,
		closed: closings.map(({ closed }) => closed),
		closedThenOpened: closings.map(({ later }) => later.marks.size),
		afterOutage: outage.marks.size,
		closedTwice: closings.map(({ later }) => doubles(later)),
		outageTwice: doubles(outage),
	};
}

/** Growth of the page's heap after 10,000 delivered events, in bytes. */
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
