import UPlot from "uplot";
import { minuteOf } from "./times.ts";

/** Numbers of one kind, slot by slot; null where nothing is known. */
export interface Series {
	values: readonly (number | null)[];
	/** Colour of the line. */
	tone: "plain" | "bad";
	/** Form of the line: steps, a bar for each slot whose number is known, or a dashed line such as a limit. */
	form: "steps" | "bars" | "dashes";
}

export interface Slots {
	/** Start of each slot, ms since the epoch. */
	starts: number[];
	stepMs: number;
	series: Series[];
}

const height = 96;
/** One hour in seconds, the unit of the time axis. */
const hour = 3_600;

/** Draws a day of numbers. Calls `onPoint` with the slot under the pointer. Returns a function that removes the plot. */
export function drawPlot(
	element: HTMLElement,
	{ starts, stepMs, series }: Slots,
	onPoint: (slot: number | undefined) => void,
): () => void {
	const scheme = matchMedia("(prefers-color-scheme: dark)");
	let plot: UPlot | undefined;

	function draw(): void {
		plot?.destroy();
		// A canvas does not inherit the page's colours and font.
		const { stroke, fill, color, outlineColor, columnRuleColor, fontFamily } = getComputedStyle(element);
		const axis = { stroke: color, font: `11px ${fontFamily}`, ticks: { show: false } };
		const max = Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
		const { stepped, bars } = UPlot.paths;
		const paths = {
			steps: stepped?.({ align: 1, extend: true }),
			bars: bars?.({ align: 1, size: [1, 8] }),
			dashes: undefined,
		};
		const lines = series.map(({ tone, form }) => ({
			stroke: tone === "bad" ? columnRuleColor : stroke,
			...(tone === "plain" && { fill }),
			width: form === "dashes" ? 1 : 1.5,
			...(form === "dashes" && { dash: [4, 3] }),
			points: { show: false },
			...(paths[form] && { paths: paths[form] }),
		}));
		plot = new UPlot(
			{
				width: Math.max(element.clientWidth, 1),
				height,
				padding: [6, 4, 0, 0],
				legend: { show: false },
				cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
				// Leaves room for the width of the last slot.
				scales: {
					x: { range: [(starts[0] ?? 0) / 1_000, ((starts.at(-1) ?? 0) + stepMs) / 1_000] },
					y: { range: [0, Math.max(4, Math.ceil(max * 1.1))] },
				},
				axes: [
					{
						...axis,
						grid: { show: false },
						size: 22,
						space: 56,
						incrs: [3 * hour, 6 * hour, 12 * hour],
						values: (_plot, splits) => splits.map((split) => minuteOf(split * 1_000)),
					},
					{
						...axis,
						grid: { stroke: outlineColor, width: 1 },
						size: 44,
						space: 28,
						incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000],
						values: (_plot, splits) => splits.map((split) => (split >= 1_000 ? `${split / 1_000}k` : String(split))),
					},
				],
				series: [{}, ...lines],
				hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)] },
			},
			[starts.map((at) => at / 1_000), ...series.map(({ values }) => [...values])],
			element,
		);
	}

	const resized = new ResizeObserver(() => plot?.setSize({ width: Math.max(element.clientWidth, 1), height }));
	draw();
	resized.observe(element);
	scheme.addEventListener("change", draw);
	return () => {
		resized.disconnect();
		scheme.removeEventListener("change", draw);
		plot?.destroy();
	};
}
