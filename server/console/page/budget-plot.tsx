import { useEffect, useRef, useState } from "preact/hooks";
import type { BudgetHistory } from "../../../shared/admin.ts";
import { drawPlot, type Slots } from "./plot.ts";
import { minuteOf } from "./times.ts";
import { count, counted } from "./words.ts";

type Budget = BudgetHistory["budgets"][number];

/** Lists all slots of the day, including those without requests. */
function slotsOf({ from, to, stepMs }: BudgetHistory, { used, limit, perMs }: Budget): Slots {
	const starts = Array.from({ length: Math.round((to - from) / stepMs) }, (_, index) => from + index * stepMs);
	const usedAt = new Map(used.map((each) => [each.at, each.used]));
	const counts = starts.map((at) => usedAt.get(at) ?? 0);
	const refill = (limit * stepMs) / perMs;
	// A line far above would flatten everything else. A budget per day is always worth seeing.
	const isNear = perMs >= 86_400_000 || Math.max(...counts) * 8 >= refill;
	return { starts, counts, stepMs, limit: isNear ? refill : undefined };
}

/** Describes the day in a sentence, for readers who cannot see the plot. */
function sentenceOf({ starts, counts, stepMs, limit }: Slots, label: string): string {
	const total = counts.reduce((sum, each) => sum + each, 0);
	if (total === 0) return `${label}: no requests in the last 24 hours; ${limitWords(limit)}`;
	const max = Math.max(...counts);
	const at = starts[counts.indexOf(max)] ?? 0;
	return `${label}: ${counted(total, "request")} in the last 24 hours, most between ${minuteOf(at)} and ${minuteOf(at + stepMs)}: ${max}; ${limitWords(limit)}`;
}

/** Tells the height of the plot's line: the rate at which the budget refills. */
const limitWords = (limit: number | undefined): string =>
	limit === undefined
		? "far below the budget"
		: `the line: the ${count(Math.round(limit * 10) / 10)} in 10 minutes for which the budget lasts`;

/** Plots the requests to one destination in the last 24 hours. */
export function BudgetPlot({ history, budget, label }: { history: BudgetHistory; budget: Budget; label: string }) {
	const place = useRef<HTMLDivElement>(null);
	const [pointed, setPointed] = useState<number>();
	const slots = slotsOf(history, budget);
	const drawn = JSON.stringify(slots);
	// Redraws when the numbers change, not whenever their objects are new.
	useEffect(() => (place.current ? drawPlot(place.current, slots, setPointed) : undefined), [drawn]);

	const at = pointed === undefined ? undefined : slots.starts[pointed];
	return (
		<figure>
			<figcaption>
				{at === undefined || pointed === undefined
					? `Requests in the last 24 hours; ${limitWords(slots.limit)}`
					: `${minuteOf(at)} to ${minuteOf(at + slots.stepMs)}: ${counted(slots.counts[pointed] ?? 0, "request")}`}
			</figcaption>
			<div ref={place} class="plot" role="img" aria-label={sentenceOf(slots, label)} />
		</figure>
	);
}
