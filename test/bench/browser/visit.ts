import type { Page as BrowserPage, CDPSession } from "playwright-core";
import type { Chromium } from "../../browser/chromium.ts";
import { type Collector, startCollector } from "./collector.ts";
import type { Page } from "./peer.ts";

/** Visitor with an empty profile on the page of one peer. */
export interface Visit {
	page: BrowserPage;
	collector: Collector;
	/** Resolves to the CPU time of the page's main thread so far, in ms. */
	cpu(): Promise<number>;
	/** Opens a page of the site and runs its script. */
	open(script?: string): Promise<BrowserPage>;
	/** Resolves to the size of the page's heap after garbage collection, in bytes. */
	heap(): Promise<number>;
}

declare global {
	interface Window {
		track(mark: string): void;
		begin?(): void;
		view?(): void;
	}
}

export const idle = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Loads a script into an open page, so that the cost of opening the page is not measured. */
export const load = (page: BrowserPage, script: string) =>
	page.evaluate(
		(script) =>
			new Promise<void>((resolve, reject) => {
				const element = document.createElement("script");
				element.src = script;
				element.dataset.writeKey = "site_bench";
				element.onload = () => resolve();
				element.onerror = () => reject(new Error(`${script} cannot be loaded`));
				document.head.append(element);
			}),
		script,
	);

/** Loads a script and identifies the visitor. */
export async function run(page: BrowserPage, script: string): Promise<void> {
	await load(page, script);
	await page.evaluate(() => window.begin?.());
}

/** Records `count` marks in one task; resolves to the ms per call, the median of groups of 50. */
export const burst = (page: BrowserPage, from: number, count: number) =>
	page.evaluate(
		([from, count]) => {
			const chunks: number[] = [];
			const chunk = Math.min(50, count);
			for (let n = from; n < from + count; n += chunk) {
				const start = performance.now();
				for (let m = n; m < n + chunk; m++) window.track(`m-${m}-`);
				chunks.push((performance.now() - start) / chunk);
			}
			return chunks.sort((a, b) => a - b)[chunks.length >> 1] ?? 0;
		},
		[from, count] as const,
	);

/** Records `count` marks in one task; resolves to the ms until all calls have returned. */
export const calls = (page: BrowserPage, from: number, count: number) =>
	page.evaluate(
		([from, count]) => {
			const start = performance.now();
			for (let n = from; n < from + count; n++) window.track(`m-${n}-`);
			return performance.now() - start;
		},
		[from, count] as const,
	);

/** Records `times` bursts of `count` marks, one burst every `ms`. */
export const bursts = (page: BrowserPage, times: number, count: number, ms: number) =>
	page.evaluate(
		async ([times, count, ms]) => {
			for (let n = 0; n < times * count; n++) {
				window.track(`m-${n}-`);
				if (n % count === count - 1) await new Promise((resolve) => setTimeout(resolve, ms));
			}
		},
		[times, count, ms] as const,
	);

export async function visit<Result>(
	{ browser, visitor }: Chromium,
	peer: Page,
	work: (visit: Visit) => Promise<Result>,
): Promise<Result> {
	void browser;
	const collector = await startCollector(peer);
	const context = await visitor();
	let session: CDPSession | undefined;
	const page = await context.newPage();
	const openSession = async () => {
		if (!session) {
			session = await context.newCDPSession(page);
			// Thread ticks count CPU time:
			// https://chromedevtools.github.io/devtools-protocol/tot/Performance/#method-enable
			await session.send("Performance.enable", { timeDomain: "threadTicks" });
		}
		return session;
	};
	try {
		await page.goto(collector.origin);
		return await work({
			page,
			collector,
			async cpu() {
				const { metrics } = await (await openSession()).send("Performance.getMetrics");
				return (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0) * 1_000;
			},
			async open(script = "/ferry/peer.js") {
				const next = await context.newPage();
				await next.goto(collector.origin);
				await run(next, script);
				return next;
			},
			async heap() {
				const measured = await openSession();
				await measured.send("HeapProfiler.collectGarbage");
				await measured.send("HeapProfiler.collectGarbage");
				return (await measured.send("Runtime.getHeapUsage")).usedSize;
			},
		});
	} finally {
		await context.close();
		await collector.close();
	}
}
