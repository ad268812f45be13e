import type { Chromium } from "../../browser/chromium.ts";
import type { Page } from "./peer.ts";
import { burst, bursts, idle, load, run, visit } from "./visit.ts";

/** CPU time of the page's main thread. */
export interface Cost {
	/** Time per call of `track()`, in µs. */
	sync: number;
	/** CPU time per event in a burst of 1,000, in µs. */
	burst: number;
	/** CPU time per event in bursts of 10, in µs. */
	bursts: number;
	/** CPU time of evaluating and starting the script, in ms. */
	start: number;
}

const settleMs = 1_000;

/** Empty script, for the CPU time that a page takes without a tracker. */
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

/** Runs `work` on a page; resolves to the CPU time in ms until its events have come, or no more do. */
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

/** Measures a script in three visits. */
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

/** Cost of an empty script. It is the same for all trackers, so it is measured once per round. */
export const emptyCost = (chromium: Chromium, peer: Page): Promise<Cost> => spent(chromium, peer, empty);

/** Cost of a peer's script, less `without`, the cost of an empty script. */
export async function cost(chromium: Chromium, peer: Page, without: Cost): Promise<Cost> {
	const all = await spent(chromium, peer, "/ferry/peer.js");
	return {
		sync: all.sync - without.sync,
		burst: all.burst - without.burst,
		bursts: all.bursts - without.bursts,
		start: all.start - without.start,
	};
}
