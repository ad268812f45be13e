import { useCallback, useEffect, useState } from "preact/hooks";
import type { DeadLetterView } from "../../../shared/admin.ts";
import type { Api } from "./api.ts";
import { Confirm } from "./confirm.tsx";
import { useDeadLetterActions } from "./dead-letter-actions.ts";
import { timeOf } from "./times.ts";
import { count, counted, eventWords, reasonWords, type Titles } from "./words.ts";

interface Page {
	items: DeadLetterView[];
	cursor?: string | undefined;
}

/** Loads pages of dead letters. Starts from the first when their number changes. */
function usePages(api: Api, destination: string, total: number) {
	const [page, setPage] = useState<Page>();
	const [asked, setAsked] = useState(0);
	// A changed total means changed dead letters
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

function Letter({
	letter,
	titles,
	isBusy,
	onReplay,
	onDiscard,
}: {
	letter: DeadLetterView;
	titles: Titles;
	isBusy: boolean;
	onReplay(): void;
	onDiscard(): void;
}) {
	const { event, destination, status, reason, message, attempts, lastAt } = letter;
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
			<div class="buttons">
				<button type="button" disabled={isBusy} onClick={onReplay} aria-label={`Replay ${what}`}>
					Replay
				</button>
				<button type="button" class="danger" disabled={isBusy} onClick={onDiscard} aria-label={`Discard ${what}`}>
					Discard
				</button>
			</div>
		</li>
	);
}

/** Lists dead letters, to be replayed or discarded. */
export function DeadLetters({
	api,
	titles,
	total,
	names,
	onChange,
}: {
	api: Api;
	titles: Titles;
	total: number;
	names: string[];
	onChange(): void;
}) {
	const [destination, setDestination] = useState("");
	const { page, more, reload } = usePages(api, destination, total);
	const changed = useCallback(() => {
		reload();
		onChange();
	}, [reload, onChange]);
	const { message, isBusy, question, replay, discard, answered } = useDeadLetterActions(api, changed);
	const items = page?.items ?? [];
	const which = destination === "" ? {} : { destination };
	const all = destination === "" ? "everything that could not be delivered" : `everything for ${titles(destination)}`;

	return (
		<section aria-labelledby="dead-title">
			<div class="heading">
				<h2 id="dead-title">Not delivered {total > 0 && <span class="count">{count(total)}</span>}</h2>
				<p class="quiet" role="status">
					{message}
				</p>
			</div>
			{total === 0 && items.length === 0 ? (
				<p class="card empty">Nothing: every event was delivered, or still waits for its turn.</p>
			) : (
				<div class="card">
					<p class="quiet">
						These events were refused, or kept failing for days. <em>Replay</em> sends an event again, after the other
						waiting events of its person. <em>Discard</em> deletes it. All others are deleted after 30 days.
					</p>
					<div class="tools">
						<label>
							Destination{" "}
							<select value={destination} onChange={({ currentTarget }) => setDestination(currentTarget.value)}>
								<option value="">All</option>
								{names.map((name) => (
									<option key={name} value={name}>
										{titles(name)}
									</option>
								))}
							</select>
						</label>
						<span class="buttons">
							<button type="button" disabled={isBusy || items.length === 0} onClick={() => replay(which)}>
								Replay all
							</button>
							<button
								type="button"
								class="danger"
								disabled={isBusy || items.length === 0}
								onClick={() => discard(which, all)}
							>
								Discard all
							</button>
						</span>
					</div>
					<ul class="letters">
						{items.map((letter) => (
							<Letter
								key={letter.id}
								letter={letter}
								titles={titles}
								isBusy={isBusy}
								onReplay={() => replay({ ids: [letter.id] })}
								onDiscard={() => discard({ ids: [letter.id] }, `“${eventWords(letter.event)}”`)}
							/>
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
			<Confirm question={question} onClose={answered} />
		</section>
	);
}
