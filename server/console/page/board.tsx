import { useMemo, useState } from "preact/hooks";
import type { Stats } from "../../../shared/admin.ts";
import { sizeText } from "../../../shared/size.ts";
import type { Api } from "./api.ts";
import { DeadLetters } from "./dead-letters.tsx";
import { Destinations } from "./destinations.tsx";
import { Explain } from "./explain.tsx";
import { useLink } from "./link.ts";
import { Live } from "./live.tsx";
import { Mark } from "./mark.tsx";
import { Pill } from "./pill.tsx";
import { usePolled } from "./polled.ts";
import { Search } from "./search.tsx";
import { SetAside } from "./set-aside.tsx";
import { timeZone } from "./times.ts";
import { createShow, type View } from "./view.ts";
import { count, counted, errorWords, fullWords, outdatedWords, stuckWords, type Titles, type Tone } from "./words.ts";

const statsEveryMs = 2_000;
const budgetEveryMs = 30_000;

/** Sums up the state of the store and of all destinations in a few words. */
function summaryOf({ isOutdated, stuck, room, destinations }: Stats): readonly [string, Tone] {
	if (isOutdated) return ["Out of date", "bad"];
	if (room?.isFull) return ["The store is full", "bad"];
	if (stuck > 0) return [`${counted(stuck, "batch", "batches")} set aside`, "bad"];
	const all = Object.values(destinations);
	const named = (state: string) => all.filter((each) => each.state === state).map(({ title }) => title);
	const paused = named("paused");
	const waiting = named("waiting");
	if (paused.length > 0) return [`${paused.join(", ")} ${paused.length === 1 ? "is" : "are"} paused`, "bad"];
	if (waiting.length > 0) return [`${waiting.join(", ")} asked us to wait`, "wait"];
	return ["All is running", "good"];
}

/** A switch between masked people and whole names, for the page as a whole. */
const ShowSwitch = ({ isOn, onSwitch }: { isOn: boolean; onSwitch(isOn: boolean): void }) => (
	<button type="button" role="switch" aria-checked={isOn} onClick={() => onSwitch(!isOn)}>
		Show people
	</button>
);

export function Board({ api, onLeave }: { api: Api; onLeave: (() => void) | undefined }) {
	const { value, error, reload } = usePolled(api.stats, statsEveryMs);
	const budgets = usePolled(api.budget, budgetEveryMs);
	const history = usePolled(api.history, budgetEveryMs);
	const [isShown, setShown] = useState(false);
	const show = useMemo(() => createShow(isShown), [isShown]);
	const titles: Titles = (name) => value?.destinations[name]?.title ?? name;
	const view: View = { api, stats: value, titles, reload, show, ...useLink() };

	return (
		<>
			<a class="skip" href="#main">
				Skip to the content
			</a>
			<header class="top">
				<h1>
					<Mark /> eventferry <span class="quiet">console</span>
				</h1>
				<p class="summary">{value && <Pill words={summaryOf(value)} />}</p>
				<p class="quiet">Times are in {timeZone(value?.now ?? Date.now())}</p>
				<ShowSwitch isOn={isShown} onSwitch={setShown} />
				{onLeave && (
					<button type="button" onClick={onLeave}>
						Sign out
					</button>
				)}
			</header>
			<p class="banner" role="status">
				{error !== undefined
					? `${errorWords(error)} Trying again.`
					: value && (outdatedWords(value.isOutdated) ?? fullWords(value.room) ?? stuckWords(value.stuck))}
			</p>
			<main id="main" tabIndex={-1}>
				<Search {...view} />
				<Destinations
					{...view}
					budgets={budgets.value}
					history={history.value}
					// The banner tells that the proxy does not answer at all.
					error={error === undefined ? (budgets.error ?? history.error) : undefined}
				/>
				<SetAside {...view} />
				<DeadLetters {...view} />
				<Explain api={api} />
				<Live {...view} />
			</main>
			<footer class="quiet">
				{value &&
					`${counted(value.events, "event")} taken in so far · ${count(value.sinceStart.bots ?? 0)} from bots left out since the start · the store takes ${value.room ? `${sizeText(value.room.used)} of at most ${sizeText(value.room.max)}` : sizeText(value.bytes)}`}
			</footer>
		</>
	);
}
