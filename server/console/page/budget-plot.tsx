import type { BudgetHistory } from "../../../shared/admin.ts";
import { DayPlot } from "./day-plot.tsx";
import { minuteOf } from "./times.ts";
import { count, counted } from "./words.ts";

type Budget = BudgetHistory["budgets"][number];

/** Tells the height of the plot's line: the rate at which the budget refills. */
const limitWords = (limit: number | undefined): string =>
	limit === undefined
		? "far below the budget"
		: `the line: the ${count(Math.round(limit * 10) / 10)} in 10 minutes for which the budget lasts`;

/** Describes the day in a sentence. */
function sentenceOf(starts: number[], counts: number[], stepMs: number): string {
	const total = counts.reduce((sum, each) => sum + each, 0);
	if (total === 0) return "no requests in the last 24 hours";
	const max = Math.max(...counts);
	const at = starts[counts.indexOf(max)] ?? 0;
	return `${counted(total, "request")} in the last 24 hours, most between ${minuteOf(at)} and ${minuteOf(at + stepMs)}: ${count(max)}`;
}

/** Plots the requests to one destination in the last 24 hours, and the budget's rate. */
export function BudgetPlot({ history, budget, label }: { history: BudgetHistory; budget: Budget; label: string }) {
	const { from, to, stepMs } = history;
	const { used, limit, perMs } = budget;
	const starts = Array.from({ length: Math.round((to - from) / stepMs) }, (_, index) => from + index * stepMs);
	const usedAt = new Map(used.map((each) => [each.at, each.used]));
	const counts = starts.map((at) => usedAt.get(at) ?? 0);
	const refill = (limit * stepMs) / perMs;
	// A line far above would flatten everything else. A budget per day is always worth seeing.
	const isNear = perMs >= 86_400_000 || Math.max(...counts) * 8 >= refill;
	const line = isNear ? refill : undefined;
	const series = [
		{ values: counts, tone: "plain", form: "steps" } as const,
		...(isNear ? [{ values: starts.map(() => refill), tone: "bad", form: "dashes" } as const] : []),
	];
	return (
		<DayPlot
			slots={{ starts, stepMs, series }}
			caption={`Requests in the last 24 hours; ${limitWords(line)}`}
			sentence={`${label}: ${sentenceOf(starts, counts, stepMs)}; ${limitWords(line)}`}
			wordsAt={(slot) => counted(counts[slot] ?? 0, "request")}
		/>
	);
}
