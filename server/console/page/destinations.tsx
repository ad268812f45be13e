import type { BudgetHistory, DestinationNumbers, History } from "../../../shared/admin.ts";
import { BudgetPlot } from "./budget-plot.tsx";
import { HistoryPlots } from "./history-plots.tsx";
import { Pause } from "./pause.tsx";
import { Pill } from "./pill.tsx";
import { duration, timeOf, whenOf } from "./times.ts";
import type { View } from "./view.ts";
import { count, counted, errorWords, reasonWords, stateWords, waitWords } from "./words.ts";

type Budget = DestinationNumbers["budget"][number];

/** Shows what is left of a budget; of a budget per second only the limit, because the rest changes too fast to read. */
function Left({ limit, left, perMs }: Budget) {
	if (perMs < 60_000) return <>Up to {count(limit)} requests a second</>;
	return (
		<>
			<strong>{count(left)}</strong> of {count(limit)} requests left {perMs === 60_000 ? "this minute" : "today"}
		</>
	);
}

/** Explains the state of a destination that is not running. */
function stateSentence({ state, until = 0, reason, pausedAt }: DestinationNumbers, now: number): string | undefined {
	if (state === "running") return undefined;
	if (pausedAt !== undefined)
		return `An operator paused it at ${whenOf(pausedAt, now)}. Its events wait until it is resumed; nothing is lost.`;
	const why = reason === undefined ? "" : `, because ${reasonWords(reason)}`;
	const held = state === "paused" ? "Paused" : "Waiting";
	return `${held} until ${timeOf(until)}${why}; then requests are tried again. Nothing is lost meanwhile.`;
}

const Figure = ({ name, figure, isBad = false }: { name: string; figure: string; isBad?: boolean }) => (
	<div class={isBad ? "bad" : undefined}>
		<dt>{name}</dt>
		<dd>{figure}</dd>
	</div>
);

interface Histories {
	budgets: BudgetHistory | undefined;
	history: History | undefined;
}

interface CardProps extends Histories, Pick<View, "api" | "reload"> {
	name: string;
	numbers: DestinationNumbers;
	now: number;
}

function Card({ name, numbers, budgets, history, now, api, reload }: CardProps) {
	const { title, lanes, oldestAt, delivered, dead, budget, creationHold, leftOut, refusedNames, wait } = numbers;
	const sentence = stateSentence(numbers, now);
	const waiting = waitWords(wait, now);
	return (
		<li class="card destination">
			<h3>
				{title} <Pill words={stateWords[numbers.state]} />
			</h3>
			{sentence && <p class="sentence">{sentence}</p>}
			{waiting && <p class="sentence">{waiting}</p>}
			{creationHold && (
				<p class="sentence">
					Creates no people, because {reasonWords(creationHold.reason)}. Events of people it does not know wait; the
					next try is at {timeOf(creationHold.until)}. Check the rights of its credentials and the limits of its plan.
				</p>
			)}
			{leftOut > 0 && (
				<p class="sentence">
					Left out {counted(leftOut, "attribute value")} that it cannot hold or that may not be set.
					{refusedNames.length > 0 && <> It refuses the names {refusedNames.join(", ")}.</>}
				</p>
			)}
			<dl class="figures">
				<Figure name="People waiting" figure={count(lanes)} />
				<Figure name="Oldest waits" figure={oldestAt === undefined ? "–" : duration(now - oldestAt)} />
				<Figure name="Delivered" figure={count(delivered)} />
				<Figure name="Not delivered" figure={count(dead)} isBad={dead > 0} />
			</dl>
			{budget.map((each) => {
				const { label, limit, left, perMs } = each;
				const used = budgets?.budgets.find(({ destination, site }) => destination === name && site === label);
				return (
					<div class="budget" key={label}>
						<p>
							<Left {...each} />
							{budget.length > 1 && <span class="quiet"> · {label}</span>}
						</p>
						{perMs >= 60_000 && (
							<div class="bar" aria-hidden="true">
								<div class={left < limit / 10 ? "low" : ""} style={{ width: `${(100 * left) / limit}%` }} />
							</div>
						)}
						{budgets && used && <BudgetPlot history={budgets} budget={used} label={title} />}
					</div>
				);
			})}
			{history && <HistoryPlots history={history} name={name} title={title} />}
			<Pause api={api} name={name} numbers={numbers} onChange={reload} />
		</li>
	);
}

interface Props extends Histories, Pick<View, "api" | "stats" | "reload"> {
	/** Code of the error for which the plots are not up to date. */
	error: string | undefined;
}

/** Shows each destination: its state, waiting people, budget, and numbers of the last 24 hours. */
export function Destinations({ stats, error, ...shared }: Props) {
	return (
		<section aria-labelledby="destinations-title">
			<div class="heading">
				<h2 id="destinations-title">Destinations</h2>
				<p class="quiet" role="status">
					{error !== undefined && `The plots are not up to date. ${errorWords(error)}`}
				</p>
			</div>
			{!stats && <p class="quiet">Loading…</p>}
			<ul class="cards">
				{Object.entries(stats?.destinations ?? {}).map(([name, numbers]) => (
					<Card key={name} name={name} numbers={numbers} now={stats?.now ?? 0} {...shared} />
				))}
			</ul>
		</section>
	);
}
