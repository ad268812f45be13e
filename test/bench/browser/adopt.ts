import { readFile } from "node:fs/promises";
import type { Tracker } from "../../../client/index.ts";
import type { Chromium } from "../../browser/chromium.ts";
import type { Result } from "../result.ts";
import type { Page } from "./peer.ts";
import { idle, run, visit } from "./visit.ts";

const names = ["crisp", "helpcrunch", "vibetrace", "ga4", "segment"] as const;
/** Groups of calls of each kind, and the calls in a group. */
const groups = 40;
const groupSize = 20;

/** Stand-ins for the vendors' scripts that do nothing, and a call of each. Run in the page. */
const standIns = `
	window.$crisp = { push() {} };
	window.HelpCrunch = () => {};
	window._vteq = [];
	_vteq.push = () => {};
	window.dataLayer = [];
	dataLayer.push = () => {};
	window.analytics = { identify() {}, track() {}, page() {}, reset() {} };
	const data = (mark) => ({ product: "iPhone X", mark });
	window.calls = {
		direct: (mark) => eventferry.track("basket:item:added", data(mark)),
		crisp: (mark) => $crisp.push(["set", "session:event", [[["basket:item:added", data(mark)]]]]),
		helpcrunch: (mark) => HelpCrunch("trackEvent", "basket:item:added", data(mark)),
		vibetrace: (mark) => _vteq.push({ "basket:item:added": data(mark) }),
		ga4: (mark) => dataLayer.push({ event: "basket:item:added", ...data(mark) }),
		segment: (mark) => analytics.track("basket:item:added", data(mark)),
	};`;
declare global {
	interface Window {
		calls: Record<string, (mark: string) => void>;
	}
}

/** Measures the time per call in µs, group by group in turn, the median of all groups. Resolves to it by kind of call. */
const timed = (chromium: Chromium, ours: Page, start: string) =>
	visit(chromium, ours, async ({ page }) => {
		await run(page, "/ferry/peer.js");
		await page.evaluate(standIns);
		await page.evaluate(start);
		// The first calls have the functions compiled.
		return page.evaluate(
			async ([groups, groupSize]) => {
				const times: Record<string, number[]> = {};
				const kinds = Object.entries(window.calls);
				const { eventferry } = window as unknown as { eventferry: Tracker };
				for (let group = -groups; group < groups; group++) {
					// Take turns at being the first, which costs more.
					kinds.push(...kinds.splice(0, 1));
					for (const [name, call] of kinds) {
						const begun = performance.now();
						for (let n = 0; n < groupSize; n++) call(`m-${n}-`);
						const took = ((performance.now() - begun) / groupSize) * 1_000;
						times[name] ??= [];
						if (group >= 0) times[name].push(took);
					}
					if (eventferry.state().waiting < kinds.length * groupSize) throw new Error("a call was not adopted");
					await eventferry.flush();
				}
				return Object.fromEntries(
					Object.entries(times).map(([name, all]) => [name, all.sort((a, b) => a - b)[all.length >> 1] ?? 0]),
				);
			},
			[groups, groupSize] as const,
		);
	});

/** Calls that `adopt()` and the tag say to the tracker ÷ calls of the tracker. */
export async function adopted(chromium: Chromium, ours: Page, rounds: number): Promise<Result[]> {
	const tag = await readFile("dist/adopt.js", "utf8");
	const module = await readFile("dist/client/adopt.js", "utf8");
	const ways = {
		"/adopt.js": `window.eventferryConfig = { adopt: ${JSON.stringify(names.join(" "))} };\n${tag}`,
		"adopt()": `import(URL.createObjectURL(new Blob([${JSON.stringify(module)}], { type: "text/javascript" })))
			.then(({ adopt }) => { adopt(eventferry, ${JSON.stringify(names)}); })`,
	};
	const results: Result[] = [];
	for (const [way, start] of Object.entries(ways)) {
		const measured: Record<string, number>[] = [];
		for (let round = 0; round < rounds; round++) {
			measured.push(await timed(chromium, ours, start));
			await idle(100);
		}
		for (const name of names) {
			results.push({
				name: `track() of ${name} by ${way}`,
				unit: "µs",
				ours: measured.map((each) => each[name] ?? 0),
				theirs: measured.map(({ direct = 0 }) => direct),
				peer: "a direct call",
				betterIs: "lower",
				target: { atMost: 1.5 },
			});
		}
	}
	return results;
}
