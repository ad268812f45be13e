import { useEffect, useRef, useState } from "preact/hooks";
import type { SearchReply, Wanted } from "../../../shared/admin.ts";
import { codeOf } from "./api.ts";
import { useDeadLetterActions } from "./dead-letter-actions.tsx";
import { JourneyCard } from "./journey.tsx";
import { timeOf } from "./times.ts";
import type { View } from "./view.ts";
import { counted, errorWords } from "./words.ts";

const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

type Found =
	| { kind: "looking" }
	| { kind: "failed"; code: string }
	| { kind: "found"; text: string; reply: SearchReply };

/** Sums up the result of a search, and how far it reaches. */
function summaryOf({ journeys, isComplete, journal, since }: SearchReply, text: string): string {
	const parts = [
		journeys.length === 0 ? `Nothing found for ${text}.` : `${counted(journeys.length, "event")} found.`,
		`Deliveries before ${timeOf(since)} are no longer known. Waiting and undelivered events are always found.`,
		!isComplete && "There were too many events to search all: some may be missing.",
		journal > 0 && "Some events have just arrived and cannot be found yet: search again in a moment.",
	];
	return parts.filter(Boolean).join(" ");
}

/** Searches for an event, or for all events of a person. */
export function Search({ api, stats, titles, reload, link, go, show }: View) {
	const input = useRef<HTMLInputElement>(null);
	const summary = useRef<HTMLParagraphElement>(null);
	const asking = useRef<AbortController | undefined>(undefined);
	const [found, setFound] = useState<Found>();

	async function look(): Promise<void> {
		const text = input.current?.value.trim() ?? "";
		asking.current?.abort();
		if (text === "") return setFound(undefined);
		const current = new AbortController();
		asking.current = current;
		setFound((before) => before ?? { kind: "looking" });
		const wanted: Wanted = uuid.test(text) ? { event: text } : { person: text };
		try {
			const reply = await api.search(wanted, current.signal);
			if (!current.signal.aborted) setFound({ kind: "found", text, reply });
		} catch (error) {
			if (!current.signal.aborted) setFound({ kind: "failed", code: codeOf(error) });
		}
	}

	const actions = useDeadLetterActions(api, () => {
		void look();
		reload();
	});

	// Follows links to an event. A person's name is never part of the page's address.
	useEffect(() => {
		const { current } = input;
		if (link.event === undefined || !current) return;
		current.value = link.event;
		void look().then(() => {
			summary.current?.scrollIntoView({ block: "start" });
			summary.current?.focus();
		});
	}, [link.event]);

	function submit(submitted: SubmitEvent): void {
		submitted.preventDefault();
		const text = input.current?.value.trim() ?? "";
		const event = uuid.test(text) ? text : undefined;
		go({ event });
		if (event === undefined || event === link.event) void look();
	}

	return (
		<section aria-labelledby="search-title">
			<h2 id="search-title" class="unseen">
				Search
			</h2>
			<search>
				<form onSubmit={submit}>
					<label for="wanted">Find an event or a person</label>
					<div class="field">
						<input
							id="wanted"
							ref={input}
							type="text"
							placeholder="ada@example.com, a user id, or an event’s id"
							autocomplete="off"
							autocapitalize="off"
							spellcheck={false}
							maxLength={300}
						/>
						<button type="submit" class="primary">
							Search
						</button>
					</div>
				</form>
			</search>
			<p class="quiet" role="status" ref={summary} tabIndex={-1}>
				{found?.kind === "looking" && "Looking…"}
				{found?.kind === "failed" && errorWords(found.code)}
				{found?.kind === "found" && summaryOf(found.reply, found.text)} {actions.message}
			</p>
			{found?.kind === "found" && (
				<>
					<ol class="journeys">
						{found.reply.journeys.map((journey) => (
							<JourneyCard
								key={journey.site + journey.person + journey.event.id}
								journey={journey}
								api={api}
								titles={titles}
								show={show}
								isHeld={(destination) => (stats?.destinations[destination]?.state ?? "running") !== "running"}
								now={stats?.now ?? 0}
								actions={actions}
							/>
						))}
					</ol>
					<button
						type="button"
						onClick={() => {
							setFound(undefined);
							go({ event: undefined });
							if (input.current) input.current.value = "";
							input.current?.focus();
						}}
					>
						Close the search
					</button>
				</>
			)}
			{actions.dialog}
		</section>
	);
}
