import UPlot from "uplot";
import { minuteOf } from "./times.ts";

export interface Slots {
	/** When each starts, ms. */
	starts: number[];
	counts: number[];
	stepMs: number;
}

const height = 96;
/** ms of the finest marks on the time axis. */
const hours = 3_600;

/** The colours and the font of the page as they are now: a canvas cannot look them up. */
function lookOf(element: Element) {
	const { stroke, fill, color, outlineColor, fontFamily } = getComputedStyle(element);
	return { line: stroke, fill, text: color, grid: outlineColor, font: `11px ${fontFamily}` };
}

/** Draws a day's requests; `onPoint` is told which slot is pointed at. Returns the way to remove it. */
export function drawPlot(
	element: HTMLElement,
	{ starts, counts, stepMs }: Slots,
	onPoint: (slot: number | undefined) => void,
): () => void {
	const scheme = matchMedia("(prefers-color-scheme: dark)");
	let plot: UPlot | undefined;

	function draw(): void {
		plot?.destroy();
		const { line, fill, text, grid, font } = lookOf(element);
		const axis = { stroke: text, font, ticks: { show: false } };
		const most = Math.max(...counts);
		plot = new UPlot(
			{
				width: Math.max(element.clientWidth, 1),
				height,
				padding: [6, 4, 0, 0],
				legend: { show: false },
				cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
				// The last slot has its width too.
				scales: {
					x: { range: [(starts[0] ?? 0) / 1_000, ((starts.at(-1) ?? 0) + stepMs) / 1_000] },
					y: { range: [0, Math.max(4, Math.ceil(most * 1.1))] },
				},
				axes: [
					{
						...axis,
						grid: { show: false },
						size: 22,
						space: 56,
						incrs: [3 * hours, 6 * hours, 12 * hours],
						values: (_plot, splits) => splits.map((split) => minuteOf(split * 1_000)),
					},
					{
						...axis,
						grid: { stroke: grid, width: 1 },
						size: 38,
						space: 28,
						incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000],
					},
				],
				series: [
					{},
					{
						stroke: line,
						fill,
						width: 1.5,
						points: { show: false },
						paths: UPlot.paths.stepped?.({ align: 1, extend: true }),
					},
				],
				hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)] },
			},
			[starts.map((at) => at / 1_000), counts],
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
