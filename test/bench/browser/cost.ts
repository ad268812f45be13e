import type { Chromium } from "../../browser/chromium.ts";
import type { Page } from "./peer.ts";
import { burst, bursts, idle, load, run, visit } from "./visit.ts";

/** CPU of the page's main thread for each event, and for the script to be there, each less what an empty script took. */
export interface Cost {
	/** µs until `track()` has returned. */
	sync: number;
	/** µs of all the work an event causes, in a burst of 1,000. */
	burst: number;
	/** µs of all the work an event causes, in bursts of 10. */
	bursts: number;
	/** ms of evaluation and start. */
	start: number;
}

const settleMs = 1_000;

/** An empty script, and what its page does anyway while the same is waited for. */
const empty = "/empty.js";

async function start(chromium: Chromium, peer: Page, script: string): Promise<number> {
	return visit(chromium, peer, async ({ page, cpu }) => {
		await idle(300);
		const before = await cpu();
		await load(page, script);
		await idle(settleMs);
		return (await cpu()) - before;
	});
}

/** CPU ms that `work` causes until what it sent has come, or nothing does any more. */
async function caused(
	chromium: Chromium,
	peer: Page,
	script: string,
	events: number,
	work: Parameters<typeof visit<number>>[2],
): Promise<{ cpu: number; worked: number }> {
	return visit(chromium, peer, async (own) => {
		const { page, collector, cpu } = own;
		await run(page, script);
		if (script === empty) await page.evaluate(() => Object.assign(window, { track: () => {} }));
		await idle(settleMs);
		const before = await cpu();
		const worked = await work(own);
		if (script !== empty) await collector.settled(events, 7_000);
		await idle(settleMs);
		return { cpu: (await cpu()) - before, worked };
	});
}

/** What the three visits of a script took. */
async function spent(chromium: Chromium, peer: Page, script: string): Promise<Cost> {
	const one = await caused(chromium, peer, script, 1_000, ({ page }) => burst(page, 0, 1_000));
	const tens = await caused(chromium, peer, script, 200, async ({ page }) => {
		await bursts(page, 20, 10, 100);
		return 0;
	});
	return {
		sync: one.worked * 1_000,
		burst: one.cpu,
		bursts: (tens.cpu / 200) * 1_000,
		start: await start(chromium, peer, script),
	};
}

/** What an empty script costs: the same for all trackers, so once a round will do. */
export const emptyCost = (chromium: Chromium, peer: Page): Promise<Cost> => spent(chromium, peer, empty);

export async function cost(chromium: Chromium, peer: Page, without: Cost): Promise<Cost> {
	const all = await spent(chromium, peer, "/ferry/peer.js");
	return {
		sync: all.sync - without.sync,
		burst: all.burst - without.burst,
		bursts: all.bursts - without.bursts,
		start: all.start - without.start,
	};
}
