import { useEffect, useRef, useState } from "preact/hooks";
import type { BudgetHistory } from "../../../shared/admin.ts";
import { drawPlot, type Slots } from "./plot.ts";
import { minuteOf } from "./times.ts";
import { counted } from "./words.ts";

type Used = BudgetHistory["budgets"][number]["used"];

/** Lists all slots of the day, including those without requests. */
function slotsOf({ from, to, stepMs }: BudgetHistory, used: Used): Slots {
	const starts = Array.from({ length: Math.round((to - from) / stepMs) }, (_, index) => from + index * stepMs);
	const usedAt = new Map(used.map((each) => [each.at, each.used]));
	return { starts, counts: starts.map((at) => usedAt.get(at) ?? 0), stepMs };
}

/** Describes the day in a sentence, for readers who cannot see the plot. */
function sentenceOf({ starts, counts, stepMs }: Slots, label: string): string {
	const total = counts.reduce((sum, each) => sum + each, 0);
	if (total === 0) return `${label}: no requests in the last 24 hours`;
	const max = Math.max(...counts);
	const at = starts[counts.indexOf(max)] ?? 0;
	return `${label}: ${counted(total, "request")} in the last 24 hours, most between ${minuteOf(at)} and ${minuteOf(at + stepMs)}: ${max}`;
}

/** Plots the requests to one destination in the last 24 hours. */
export function BudgetPlot({ history, used, label }: { history: BudgetHistory; used: Used; label: string }) {
	const place = useRef<HTMLDivElement>(null);
	const [pointed, setPointed] = useState<number>();
	const slots = slotsOf(history, used);
	const drawn = JSON.stringify(slots.counts) + history.from;
	// Redraws when the numbers change, not whenever their objects are new.
	useEffect(() => (place.current ? drawPlot(place.current, slots, setPointed) : undefined), [drawn]);

	const at = pointed === undefined ? undefined : slots.starts[pointed];
	return (
		<figure>
			<figcaption>
				{at === undefined || pointed === undefined
					? "Budget used in the last 24 hours"
					: `${minuteOf(at)} to ${minuteOf(at + slots.stepMs)}: ${counted(slots.counts[pointed] ?? 0, "request")}`}
			</figcaption>
			<div ref={place} class="plot" role="img" aria-label={sentenceOf(slots, label)} />
		</figure>
	);
}
