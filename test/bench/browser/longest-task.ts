import type { Page } from "playwright-core";
import type { Chromium } from "../../browser/chromium.ts";

interface TraceEvent {
	name: string;
	pid: number;
	tid: number;
	/** CPU time of the thread, in µs. */
	tdur?: number;
	args: { name?: string };
}

/**
 * Begins to record the tasks of a page. The returned function ends it, and resolves to the CPU time in ms of the longest
 * task of a page's main thread, whose name Chromium traces as CrRendererMain.
 */
export async function longestTask({ browser }: Chromium, page: Page): Promise<() => Promise<number>> {
	await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline", "toplevel"] });
	return async () => {
		const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
		const key = ({ pid, tid }: TraceEvent) => `${pid}:${tid}`;
		const main = new Set(traceEvents.filter(({ args }) => args.name === "CrRendererMain").map(key));
		const tasks = traceEvents.filter((event) => event.tdur !== undefined && main.has(key(event)));
		return Math.max(0, ...tasks.map(({ tdur = 0 }) => tdur)) / 1_000;
	};
}
