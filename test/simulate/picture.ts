import { areaY, axisX, lineY, type PlotOptions, rectX, rectY, ruleX, ruleY, stackY, text } from "@observablehq/plot";
import type { ProviderName } from "../../server/sandbox/index.ts";
import { pictureOf } from "../support/picture.ts";
import { type Sample, sampleMs } from "./day.ts";
import { spentOn } from "./figures.ts";
import type { Entry } from "./ledger.ts";
import { type Budgets, destinations, type Seen } from "./providers.ts";

/** Records of a day that the picture shows. */
export interface DayRecords {
	startAt: number;
	entries: Entry[];
	seen: Record<ProviderName, Seen[]>;
	samples: Sample[];
	incidents: { title: string; from: number; to: number }[];
	budgets: Budgets;
}

const day = 86_400_000;
/** Start of the 10 minutes that a time belongs to. */
const slot = (at: number) => Math.floor(at / sampleMs) * sampleMs;
const titles: Record<ProviderName, string> = { crisp: "Crisp", helpcrunch: "HelpCrunch", vibetrace: "Vibetrace" };
const colors: Record<string, string> = {
	"page views": "#8c959f",
	"events of visitors": "#0969da",
	"events of the backend": "#1a7f37",
	events: "#0969da",
	updates: "#54aeff",
	creates: "#8250df",
	lookups: "#c297ff",
	"answered: no such person": "#d4a72c",
	"refused: over the limit": "#bc4c00",
	"failed: provider down": "#cf222e",
	Crisp: "#0969da",
	HelpCrunch: "#bc4c00",
	Vibetrace: "#1a7f37",
};

interface Bar {
	at: number;
	kind: string;
	count: number;
}

function bars(items: { at: number; kind: string }[]): Bar[] {
	const counts = new Map<string, Bar>();
	for (const { at, kind } of items) {
		const key = `${slot(at)} ${kind}`;
		const bar = counts.get(key) ?? { at: slot(at), kind, count: 0 };
		bar.count += 1;
		counts.set(key, bar);
	}
	return [...counts.values()];
}

/** Draws the day as one picture: accepted events, requests to each destination, and waiting deliveries. */
export function drawDay({ startAt, entries, seen, samples, incidents, budgets }: DayRecords): string {
	const width = 900;
	const outages = incidents.filter(({ to, from }) => to - from > sampleMs);
	const deploys = incidents.filter(({ to, from }) => to - from <= sampleMs);
	const panel = (title: string, marks: PlotOptions["marks"] = [], kinds: string[] = []): PlotOptions => ({
		height: 170,
		marginLeft: 60,
		marginTop: 34,
		x: { type: "utc", domain: [startAt, startAt + day], label: null },
		y: { grid: true, label: null, nice: true },
		color: { domain: kinds, range: kinds.map((kind) => colors[kind] ?? "#57606a") },
		marks: [
			...marks,
			ruleX(deploys, { x: "from", strokeDasharray: "2,3", strokeOpacity: 0.5 }),
			axisX({ ticks: "3 hours", tickFormat: "%H:%M" }),
			text([title], { frameAnchor: "top-left", dx: -56, dy: -30, fontSize: 13, fontWeight: "bold" }),
			...kinds.map((kind, place) =>
				text([`■ ${kind}`], {
					frameAnchor: "top-right",
					dx: -(kinds.length - 1 - place) * 150,
					dy: -16,
					fill: colors[kind] ?? "#57606a",
				}),
			),
		],
	});
	const stacked = (items: { at: number; kind: string }[], kinds: string[]) =>
		rectY(
			bars(items),
			stackY({
				x1: "at",
				x2: ({ at }: Bar) => at + sampleMs,
				y: "count",
				fill: "kind",
				order: kinds,
				insetLeft: 0.3,
				insetRight: 0.3,
			}),
		);

	const sources = ["page views", "events of visitors", "events of the backend"];
	const accepted = entries.flatMap(({ accepted, type, trusted }) =>
		accepted
			? [
					{
						at: accepted.at,
						kind: type === "page" ? "page views" : trusted ? "events of the backend" : "events of visitors",
					},
				]
			: [],
	);
	const purposes = [
		"events",
		"updates",
		"creates",
		"lookups",
		"answered: no such person",
		"refused: over the limit",
		"failed: provider down",
	];
	const perSlot: Record<ProviderName, number> = {
		crisp: (budgets.crisp * sampleMs) / day,
		helpcrunch: budgets.helpcrunch * 10,
		vibetrace: budgets.vibetrace * 600,
	};
	const requests = destinations.map((name) => {
		const items = seen[name].map((each) => ({ at: each.at, kind: spentOn(each) }));
		const kinds = purposes.filter((purpose) => items.some(({ kind }) => kind === purpose));
		const budget = name === "vibetrace" ? [] : [ruleY([perSlot[name]], { stroke: "#cf222e", strokeDasharray: "4,3" })];
		const down = outages.filter(({ title }) => title.startsWith(titles[name]));
		const shade = rectX(down, { x1: "from", x2: "to", fill: "#cf222e", fillOpacity: 0.08 });
		const shortKinds = kinds.map((kind) => kind.replace(/^.*: /, ""));
		for (const [place, kind] of shortKinds.entries()) colors[kind] ??= colors[kinds[place] ?? ""] ?? "#57606a";
		return panel(
			`${titles[name]}: requests in 10 minutes${budget.length > 0 ? " (dashed: its budget)" : ""}`,
			[
				shade,
				stacked(
					items.map((item) => ({ ...item, kind: item.kind.replace(/^.*: /, "") })),
					shortKinds,
				),
				...budget,
			],
			shortKinds,
		);
	});
	const waiting = samples.map((sample) => ({ ...sample, name: titles[sample.destination as ProviderName] }));
	const names = destinations.map((name) => titles[name]);
	const backlog = panel(
		"Waiting to be delivered",
		[
			areaY(waiting, { x: "at", y1: 0, y2: "waiting", fill: "name", fillOpacity: 0.15, z: "name" }),
			lineY(waiting, { x: "at", y: "waiting", stroke: "name", strokeWidth: 1.5 }),
		],
		names,
	);
	return pictureOf(
		[
			panel("Accepted by the proxy in 10 minutes (dotted: deploys)", [stacked(accepted, sources)], sources),
			...requests,
			backlog,
		],
		width,
	);
}
