import type { History } from "../../../shared/admin.ts";
import { DayPlot } from "./day-plot.tsx";
import type { Series } from "./plot.ts";
import { timeOf, tookOf } from "./times.ts";
import { count, counted } from "./words.ts";

const totalOf = (values: readonly (number | null)[]) => values.reduce<number>((sum, each) => sum + (each ?? 0), 0);
const maxOf = (values: readonly (number | null)[]) => Math.max(0, ...values.map((each) => each ?? 0));
const lastOf = (values: readonly (number | null)[]) => values.findLast((each) => each !== null) ?? 0;

/** Width of the window from which the plots are open at first. */
const wide = "(min-width: 60rem)";

interface Props {
	history: History;
	name: string;
	title: string;
}

/** Plots a destination's deliveries and failures, durations, and people waiting in the last 24 hours. */
export function HistoryPlots({ history: { from, to, stepMs, since, destinations }, name, title }: Props) {
	const day = destinations[name];
	if (!day) return null;
	const starts = Array.from({ length: Math.round((to - from) / stepMs) }, (_, index) => from + index * stepMs);
	const plotOf = (series: Series[]) => ({ starts, stepMs, series });
	const { delivered, failed, meanMs, slowestMs, waiting } = day;
	const [sent, wrong] = [totalOf(delivered), totalOf(failed)];
	const failures = counted(wrong, "failed request");
	const known = (value: number | null | undefined, words: (value: number) => string) =>
		value === null || value === undefined ? "not known" : words(value);
	return (
		<details open={matchMedia(wide).matches}>
			<summary>Deliveries, failures, durations, people waiting</summary>
			<div class="plots">
				<DayPlot
					slots={plotOf([
						{ values: delivered, tone: "plain", form: "steps" },
						{ values: failed, tone: "bad", form: "steps" },
					])}
					caption={`${counted(sent, "event")} delivered, ${failures} in red`}
					sentence={`${title}: ${counted(sent, "event")} delivered and ${failures} in the last 24 hours`}
					wordsAt={(slot) => `${counted(delivered[slot] ?? 0, "event")}, ${counted(failed[slot] ?? 0, "failure")}`}
				/>
				<DayPlot
					slots={plotOf([
						{ values: slowestMs, tone: "bad", form: "bars" },
						{ values: meanMs, tone: "plain", form: "bars" },
					])}
					caption="Duration of requests in ms: mean, and slowest in red"
					sentence={`${title}: requests took ${tookOf(lastOf(meanMs))} in the mean lately, and at most ${tookOf(maxOf(slowestMs))} in the last 24 hours`}
					wordsAt={(slot) =>
						known(meanMs[slot], (mean) => `${tookOf(mean)}, slowest ${tookOf(slowestMs[slot] ?? mean)}`)
					}
				/>
				<DayPlot
					slots={plotOf([{ values: waiting, tone: "plain", form: "bars" }])}
					caption="People waiting"
					sentence={`${title}: ${counted(lastOf(waiting), "person", "people")} waiting lately, at most ${count(maxOf(waiting))} in the last 24 hours`}
					wordsAt={(slot) => known(waiting[slot], (people) => counted(people, "person", "people"))}
				/>
				<p class="quiet">As this proxy has seen them since {timeOf(since)}.</p>
			</div>
		</details>
	);
}
