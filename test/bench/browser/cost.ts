import type { Chromium } from "../../browser/chromium.ts";
import { longestTask } from "./longest-task.ts";
import type { Page } from "./peer.ts";
import { burst, bursts, calls, idle, load, run, type Visit, visit } from "./visit.ts";

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

/** Costs of a page's first events, without subtraction: a page without a tracker has nothing to store or send. */
export interface FirstCost {
	/** Time until the first ten calls of `track()` in a page have returned, in ms. */
	sync: number;
	/** CPU time of the page's main thread in 8 s, in which these ten events are stored and sent, in ms. */
	all: number;
	/** CPU time of the longest task among them, in ms. */
	longest: number;
	/** CPU time of the page's main thread in 8 s with the script and its first page view, in ms. */
	view: number | undefined;
	/** Mean time per call of `track()` in a burst of 1,000, in µs. */
	burst: number;
}

const settleMs = 1_000;
/**
 * Length in ms of a visit with first events. It is the same for all trackers, as the page itself takes CPU time too, and
 * long enough for one that sends after 5 s.
 */
const visitMs = 8_000;

/** Script of the peer. */
const script = "/ferry/peer.js";
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

/** Opens the next page of a visitor whom the tracker knows from the page before, without the tracker's script. */
async function openNextPage({ page, collector }: Visit): Promise<void> {
	await run(page, script);
	await idle(settleMs);
	// Trackers send the mark with the page's address.
	await page.goto(`${collector.origin}/?utm_source=m-0-`);
	await idle(300);
	collector.reset();
}

/** Measures the first events of a page, in three visits. */
export async function firstCost(chromium: Chromium, peer: Page): Promise<FirstCost> {
	const first = await visit(chromium, peer, async (own) => {
		const { page, cpu } = own;
		await openNextPage(own);
		await load(page, script);
		await idle(settleMs);
		const stopTracing = await longestTask(chromium, page);
		const visited = idle(visitMs);
		const before = await cpu();
		const sync = await calls(page, 1, 10);
		await visited;
		return { sync, all: (await cpu()) - before, longest: await stopTracing() };
	});
	const view = await visit(chromium, peer, async (own) => {
		const { page, cpu } = own;
		await openNextPage(own);
		const visited = idle(visitMs);
		const before = await cpu();
		await load(page, script);
		if (!(await page.evaluate(() => window.view?.() ?? !!window.view))) return undefined;
		await visited;
		return (await cpu()) - before;
	});
	const mean = await visit(chromium, peer, async (own) => {
		await openNextPage(own);
		await load(own.page, script);
		await idle(settleMs);
		return (await calls(own.page, 0, 1_000)) / 1_000;
	});
	return { ...first, view, burst: mean * 1_000 };
}

/** Cost of an empty script. It is the same for all trackers, so it is measured once per round. */
export const emptyCost = (chromium: Chromium, peer: Page): Promise<Cost> => spent(chromium, peer, empty);

/** Cost of a peer's script, less `without`, the cost of an empty script. */
export async function cost(chromium: Chromium, peer: Page, without: Cost): Promise<Cost> {
	const all = await spent(chromium, peer, script);
	return {
		sync: all.sync - without.sync,
		burst: all.burst - without.burst,
		bursts: all.bursts - without.bursts,
		start: all.start - without.start,
	};
}
