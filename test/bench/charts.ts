import { barX, dot, type PlotOptions, ruleX, ruleY, text } from "@observablehq/plot";
import { light, pictureOf, type Theme } from "../support/picture.ts";
import { short, sideBySide, withSpread } from "./print.ts";
import { isMet, judged, median, type Result } from "./result.ts";

interface Palette extends Theme {
	ours: string;
	theirs: string;
	met: string;
	missed: string;
}

/** Colours that people with red-green blindness can tell apart, on a light and on a dark background. */
const palettes: Record<"light" | "dark", Palette> = {
	light: { ...light, ours: "#0969da", theirs: "#818b98", met: "#0969da", missed: "#bc4c00" },
	dark: { ground: "#0d1117", ink: "#e6edf3", ours: "#58a6ff", theirs: "#7d8590", met: "#58a6ff", missed: "#f0883e" },
};

const width = 860;
const row = 19;

const title = (words: string, marginLeft: number) =>
	text([words], { frameAnchor: "top-left", dx: 10 - marginLeft, dy: -24, fontSize: 13, fontWeight: "bold" });

/** Left margin in px, wide enough for the longest name. */
const marginFor = (names: string[]) => Math.max(120, 16 + 5.6 * Math.max(0, ...names.map(({ length }) => length)));

interface Bar {
	who: string;
	values: number[];
	middle: number;
	low: number;
	high: number;
}

const bar = (who: string, values: number[]): Bar => ({
	who,
	values,
	middle: median(values),
	low: Math.min(...values),
	high: Math.max(...values),
});

/** Plots one measure of eventferry and its peers: as bars, or as dots on a logarithmic scale if values differ widely. */
function comparisonPlot(results: Result[], palette: Palette): PlotOptions {
	const [{ name, unit, betterIs, ours } = results[0] as Result] = results;
	const bars = [
		bar("eventferry", ours),
		...results.filter(({ peer }) => peer !== "").map(({ peer, theirs }) => bar(peer, theirs)),
	].toSorted((a, b) => (betterIs === "lower" ? a.middle - b.middle : b.middle - a.middle));
	const [least, most] = [Math.min(...bars.map(({ low }) => low)), Math.max(...bars.map(({ high }) => high))];
	const isLogarithmic = least > 0 && most / least > 20;
	const marginLeft = marginFor(bars.map(({ who }) => who));
	const fill = ({ who }: Bar) => (who === "eventferry" ? palette.ours : palette.theirs);
	return {
		height: bars.length * row + 64,
		marginLeft,
		marginRight: 150,
		marginTop: 34,
		x: {
			...(isLogarithmic ? { type: "log", domain: [least / 1.3, most * 1.3] } : { domain: [0, most || 1] }),
			label: null,
			ticks: 5,
			grid: true,
			tickFormat: short,
		},
		y: { domain: bars.map(({ who }) => who), label: null, tickSize: 0 },
		marks: [
			title(
				`${name}${unit ? `, ${unit}` : ""} (${betterIs} is better${isLogarithmic ? "; logarithmic" : ""})`,
				marginLeft,
			),
			...(isLogarithmic
				? [
						ruleY(bars, { y: "who", x1: "low", x2: "high", stroke: fill, strokeWidth: 3, strokeOpacity: 0.5 }),
						dot(bars, { y: "who", x: "middle", fill, r: 4.5 }),
					]
				: [
						barX(bars, { y: "who", x: "middle", fill, insetTop: 2, insetBottom: 2 }),
						ruleY(
							bars.filter(({ low, high }) => low < high),
							{ y: "who", x1: "low", x2: "high", stroke: palette.ink, strokeOpacity: 0.6 },
						),
					]),
			text(bars, {
				y: "who",
				x: "high",
				dx: 9,
				textAnchor: "start",
				text: ({ values }) => withSpread(values, unit),
				fontWeight: (({ who }: Bar) => (who === "eventferry" ? "bold" : "normal")) as never,
			}),
		],
	};
}

/**
 * Plots each figure's distance from its target as a ratio: at 1 the target is just met, further right is better. The
 * scale ends at 1/100 and 100.
 */
function targetsPlot(results: Result[], palette: Palette): PlotOptions {
	const clip = 100;
	const lines = results.flatMap((result) => {
		const { target = {}, name, peer } = result;
		const [least, most] = [target.atLeast, target.atMost];
		const bound = least ?? most ?? 0;
		if (bound === 0) return [];
		const ratios = judged(result)
			.map((value) => (least === undefined ? bound / value : value / bound))
			.map((value) => Math.min(clip, Math.max(1 / clip, value)));
		const color = isMet(result) ? palette.met : palette.missed;
		return [{ ...bar(peer === "" ? name : `${name} ÷ ${peer}`, ratios), color }];
	});
	const marginLeft = marginFor(lines.map(({ who }) => who));
	return {
		height: lines.length * row + 58,
		marginLeft,
		marginRight: 20,
		marginTop: 34,
		x: { type: "log", label: null, grid: true, ticks: 5, tickFormat: (value: number) => `${value}×` },
		y: { domain: lines.map(({ who }) => who), label: null, tickSize: 0 },
		marks: [
			title("How far from its target each figure is: right of the line it is met", marginLeft),
			ruleX([1], { strokeWidth: 1.5 }),
			ruleY(lines, { y: "who", x1: "low", x2: "high", stroke: "color", strokeWidth: 3, strokeOpacity: 0.5 }),
			dot(lines, { y: "who", x: "middle", fill: "color", r: 4.5 }),
		],
		color: { type: "identity" },
	};
}

const inBothThemes = (draw: (palette: Palette) => PlotOptions[]) => ({
	light: pictureOf(draw(palettes.light), width, palettes.light),
	dark: pictureOf(draw(palettes.dark), width, palettes.dark),
});

export type Chart = ReturnType<typeof inBothThemes>;

/** Groups results with several peers by measure, and leaves out a measure that is 0 for all. */
export const chartedMeasures = (results: Result[]): Result[][] =>
	[...Map.groupBy(sideBySide(results), ({ name }) => name).values()].filter((all) =>
		all.some(({ ours, theirs }) => [...ours, ...theirs].some((value) => value > 0)),
	);

export const comparisonChart = (measures: Result[][]): Chart =>
	inBothThemes((palette) => measures.map((each) => comparisonPlot(each, palette)));

export const targetsChart = (results: Result[]): Chart => inBothThemes((palette) => [targetsPlot(results, palette)]);
