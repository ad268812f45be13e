import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import type { DeadLetterGroups, DeadLetterPageView, DeadLetterView } from "../../../shared/admin.ts";
import { type Api, codeOf, type Filter } from "./api.ts";
import { type DeadLetterActions, DeadLetterButtons, useDeadLetterActions } from "./dead-letter-actions.tsx";
import { DeadLetterFilters, filterOf, filterWords } from "./dead-letter-filters.tsx";
import { Json } from "./json.tsx";
import { addressOf } from "./link.ts";
import { timeOf } from "./times.ts";
import type { View } from "./view.ts";
import { count, counted, errorWords, eventWords, reasonWords } from "./words.ts";

const noGroups: DeadLetterGroups = { groups: [], count: 0, isComplete: true };

/** Loads pages of dead letters, and their groups. Starts anew when the number of dead letters changes. */
function usePages(api: Api, filter: Filter, total: number) {
	const [page, setPage] = useState<DeadLetterPageView>();
	const [grouped, setGrouped] = useState(noGroups);
	const [error, setError] = useState<string>();
	const [asked, setAsked] = useState(0);
	// `total` is listed because a changed number means changed dead letters.
	useEffect(() => {
		let isOver = false;
		const work = async () => {
			const [loaded, groups] = await Promise.all([api.deadLetters(filter), api.deadLetterGroups(filter)]);
			if (isOver) return;
			setPage(loaded);
			setGrouped(groups);
			setError(undefined);
		};
		work().catch((failure) => isOver || setError(codeOf(failure)));
		return () => {
			isOver = true;
		};
	}, [api, filter, total, asked]);
	const more = () =>
		api.deadLetters(filter, page?.cursor).then(
			(next) => setPage({ items: [...(page?.items ?? []), ...next.items], cursor: next.cursor }),
			(failure) => setError(codeOf(failure)),
		);
	return { page, grouped, error, more, reload: useCallback(() => setAsked((times) => times + 1), []) };
}

interface LetterProps extends Pick<View, "titles" | "show" | "link"> {
	letter: DeadLetterView;
	actions: DeadLetterActions;
}

function Letter({ letter, titles, show, link, actions }: LetterProps) {
	const { id, event, destination, status, reason, message, attempts, lastAt } = letter;
	const { email, userId = "" } = event.person;
	const what = eventWords(event);
	return (
		<li class="letter">
			<div class="about">
				<p class="title">
					<strong>
						<bdi>{what}</bdi>
					</strong>{" "}
					<span class="quiet">
						of <bdi>{show.person(email ?? userId)}</bdi> to {titles(destination)}
					</span>
				</p>
				<p>
					Not delivered because <bdi>{show.text(reasonWords(reason))}</bdi>
					{message !== undefined && message !== reason && (
						<>
							: <bdi>{show.text(message)}</bdi>
						</>
					)}
					<span class="quiet">
						{status !== undefined && ` · answer ${status}`} · {counted(attempts, "attempt")} · last {timeOf(lastAt)}
					</span>
				</p>
				<p>
					<a href={addressOf({ ...link, event: event.id })}>
						Its journey<span class="unseen">, of {what}</span>
					</a>
				</p>
				<details>
					<summary>The event</summary>
					<Json value={event} what={`the event ${what}`} show={show} plain={[what, event.type, event.id]} />
				</details>
			</div>
			<DeadLetterButtons actions={actions} which={{ ids: [id] }} what={what} />
		</li>
	);
}

interface GroupsProps extends Pick<View, "titles" | "link" | "go"> {
	grouped: DeadLetterGroups;
	filter: Filter;
	actions: DeadLetterActions;
}

/** Lists how many dead letters there are for each destination and reason. */
function Groups({ grouped: { groups, isComplete }, titles, link, go, filter, actions }: GroupsProps) {
	return (
		<>
			<ul class="groups">
				{groups.map(({ destination, reason, count: number }) => {
					const what = filterWords({ ...link, destination, reason }, titles);
					const label = `${counted(number, "event")} for ${titles(destination)}, ${reason}`;
					return (
						<li key={`${destination} ${reason}`}>
							<button type="button" class="group" onClick={() => go({ destination, reason })}>
								<span class="count">{count(number)}</span> {titles(destination)}: <bdi>{reasonWords(reason)}</bdi>
							</button>
							<DeadLetterButtons
								actions={actions}
								which={{ ...filter, destination, reason }}
								what={what}
								label={label}
							/>
						</li>
					);
				})}
			</ul>
			{!isComplete && <p class="quiet">There are too many to count all: these are at least so many.</p>}
		</>
	);
}

/** Lists dead letters, to be replayed or discarded. */
export function DeadLetters({ api, stats, titles, reload: reloadStats, link, go, show }: View) {
	const total = Object.values(stats?.destinations ?? {}).reduce((sum, { dead }) => sum + dead, 0);
	const { destination, reason, name, since } = link;
	const filter = useMemo(
		() => filterOf({ destination, reason, name, since }, Date.now()),
		[destination, reason, name, since],
	);
	const { page, grouped, error, more, reload } = usePages(api, filter, total);
	const actions = useDeadLetterActions(api, () => {
		reload();
		reloadStats();
	});
	const items = page?.items ?? [];
	const isFiltered = Object.keys(filter).length > 0;

	return (
		<section aria-labelledby="dead-title">
			<div class="heading">
				<h2 id="dead-title">Not delivered {total > 0 && <span class="count">{count(total)}</span>}</h2>
				<p class="quiet" role="status">
					{error !== undefined ? `Not loaded. ${errorWords(error)}` : actions.message}
				</p>
			</div>
			{total === 0 && items.length === 0 && !isFiltered ? (
				<p class="card empty">Nothing: no event was given up.</p>
			) : (
				<div class="card">
					<p class="quiet">
						These events were given up, each for the reason shown. <em>Replay</em> sends an event again, after the other
						waiting events of its person. <em>Discard</em> deletes an event. All others are deleted after 30 days.
					</p>
					<DeadLetterFilters stats={stats} link={link} go={go} groups={grouped.groups} />
					{grouped.groups.length > 1 && (
						<Groups grouped={grouped} titles={titles} link={link} go={go} filter={filter} actions={actions} />
					)}
					<div class="tools">
						<p>
							{grouped.isComplete ? "" : "At least "}
							{counted(grouped.count, "event")}, the newest first
						</p>
						{isFiltered && (
							<button
								type="button"
								onClick={() => go({ destination: undefined, reason: undefined, name: undefined, since: undefined })}
							>
								Show all
							</button>
						)}
						<DeadLetterButtons
							actions={actions}
							which={filter}
							what={filterWords(link, titles)}
							isDisabled={items.length === 0}
						/>
					</div>
					<ul class="letters">
						{items.map((letter) => (
							<Letter key={letter.id} letter={letter} titles={titles} show={show} link={link} actions={actions} />
						))}
					</ul>
					{items.length === 0 && <p class="quiet">None of this kind.</p>}
					{page?.cursor !== undefined && (
						<button type="button" onClick={more}>
							Show more
						</button>
					)}
				</div>
			)}
			{actions.dialog}
		</section>
	);
}
