import type { Measured } from "./record.ts";
import { median } from "./result.ts";

/** Describes the loss of 50 events as the tab closes: in words, because the exact number is a race. */
function lostOf50(lost: number): string {
	if (lost === 0) return "all 50 came";
	if (lost === 50) return "all of 50 lost";
	return lost >= 40 ? "nearly all of 50 lost" : "most of 50 lost";
}

/** Cells marked B: the pattern of the text, and the text for the measured figures. */
const cells: [pattern: RegExp, textFor: (measured: (name: string) => number) => string][] = [
	[
		/(?:all 50 came|(?:nearly all|all|most) of 50 lost)(?=,)/,
		(measured) => lostOf50(measured("lost of 50 as the tab closes, next page included")),
	],
	[
		/(?:none|all|\d+) of 200 lost, B/,
		(measured) => {
			const lost = measured("lost of 200 after an outage");
			return `${lost === 0 ? "none" : lost === 200 ? "all" : lost} of 200 lost, B`;
		},
	],
	[
		/\d+ for 50, [\d,]+ B an event, B/,
		(measured) => {
			const bytes = Math.round(measured("body an event")).toLocaleString("en");
			return `${measured("requests for 50 events in 5 s")} for 50, ${bytes} B an event, B`;
		},
	],
	[/[\d.]+ KB, B/, (measured) => `${(measured("size, Brotli") / 1_000).toFixed(1)} KB, B`],
];

/** Puts the latest figures into the rows of the measured trackers; all other words stay. */
export function withMeasured(comparison: string, { browser }: Measured): string {
	const results = Object.values(browser?.sections ?? {}).flatMap((section) => section.results);
	const rows = comparison.split("\n").map((row) => {
		const [, tracker = ""] = /^\| ([^|]+?) \|/.exec(row) ?? [];
		const peer = tracker === "eventferry" ? "" : tracker;
		const own = results.filter((result) => result.peer === peer);
		if (tracker === "" || own.length === 0) return row;
		const measured = (name: string) => {
			const { ours = [], theirs = [] } = own.find((result) => result.name === name) ?? {};
			return median(peer === "" ? ours : theirs);
		};
		return cells.reduce((text, [pattern, textFor]) => text.replace(pattern, () => textFor(measured)), row);
	});
	return rows.join("\n");
}
