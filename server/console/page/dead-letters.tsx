import { useCallback, useEffect, useState } from "preact/hooks";
import type { DeadLetterPageView, DeadLetterView } from "../../../shared/admin.ts";
import type { Api } from "./api.ts";
import { type DeadLetterActions, DeadLetterButtons, useDeadLetterActions } from "./dead-letter-actions.tsx";
import { timeOf } from "./times.ts";
import type { View } from "./view.ts";
import { count, counted, eventWords, reasonWords, type Titles } from "./words.ts";

/** Loads pages of dead letters. Starts from the first page when the number of dead letters changes. */
function usePages(api: Api, destination: string, total: number) {
	const [page, setPage] = useState<DeadLetterPageView>();
	const [asked, setAsked] = useState(0);
	// `total` is listed because a changed number means changed dead letters.
	useEffect(() => {
		let isOver = false;
		api.deadLetters({ destination }).then(
			(loaded) => isOver || setPage(loaded),
			() => {},
		);
		return () => {
			isOver = true;
		};
	}, [api, destination, total, asked]);
	const more = async () => {
		if (page?.cursor === undefined) return;
		const next = await api.deadLetters({ destination, cursor: page.cursor }).catch(() => undefined);
		if (next) setPage({ items: [...page.items, ...next.items], cursor: next.cursor });
	};
	return { page, more, reload: useCallback(() => setAsked((times) => times + 1), []) };
}

function Letter({ letter, titles, actions }: { letter: DeadLetterView; titles: Titles; actions: DeadLetterActions }) {
	const { id, event, destination, status, reason, message, attempts, lastAt } = letter;
	const { email, userId } = event.person;
	const what = eventWords(event);
	return (
		<li class="letter">
			<div class="about">
				<p class="title">
					<strong>
						<bdi>{what}</bdi>
					</strong>{" "}
					<span class="quiet">
						of <bdi>{email ?? userId}</bdi> to {titles(destination)}
					</span>
				</p>
				<p>
					Not delivered because <bdi>{reasonWords(reason)}</bdi>
					{message !== undefined && message !== reason && (
						<>
							: <bdi>{message}</bdi>
						</>
					)}
					<span class="quiet">
						{status !== undefined && ` · answer ${status}`} · {counted(attempts, "attempt")} · last {timeOf(lastAt)}
					</span>
				</p>
				<details>
					<summary>The event</summary>
					<pre>{JSON.stringify(event, null, 2)}</pre>
				</details>
			</div>
			<DeadLetterButtons actions={actions} which={{ ids: [id] }} what={what} />
		</li>
	);
}

/** Lists dead letters, to be replayed or discarded. */
export function DeadLetters({ api, stats, titles, reload: reloadStats }: View) {
	const [destination, setDestination] = useState("");
	const destinations = Object.entries(stats?.destinations ?? {});
	const total = destinations.reduce((sum, [, { dead }]) => sum + dead, 0);
	const { page, more, reload } = usePages(api, destination, total);
	const actions = useDeadLetterActions(api, () => {
		reload();
		reloadStats();
	});
	const items = page?.items ?? [];

	return (
		<section aria-labelledby="dead-title">
			<div class="heading">
				<h2 id="dead-title">Not delivered {total > 0 && <span class="count">{count(total)}</span>}</h2>
				<p class="quiet" role="status">
					{actions.message}
				</p>
			</div>
			{total === 0 && items.length === 0 ? (
				<p class="card empty">Nothing: no event was given up.</p>
			) : (
				<div class="card">
					<p class="quiet">
						These events were given up, each for the reason shown. <em>Replay</em> sends an event again, after the other
						waiting events of its person. <em>Discard</em> deletes an event. All others are deleted after 30 days.
					</p>
					<div class="tools">
						<label>
							Destination{" "}
							<select value={destination} onChange={({ currentTarget }) => setDestination(currentTarget.value)}>
								<option value="">All</option>
								{destinations.map(([name, { title }]) => (
									<option key={name} value={name}>
										{title}
									</option>
								))}
							</select>
						</label>
						<DeadLetterButtons
							actions={actions}
							which={destination === "" ? { all: true } : { destination }}
							what={
								destination === "" ? "everything that could not be delivered" : `everything for ${titles(destination)}`
							}
							isDisabled={items.length === 0}
						/>
					</div>
					<ul class="letters">
						{items.map((letter) => (
							<Letter key={letter.id} letter={letter} titles={titles} actions={actions} />
						))}
					</ul>
					{items.length === 0 && <p class="quiet">None for this destination.</p>}
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
