import type { Attempt, Journey, JourneyDelivery } from "../../../shared/admin.ts";
import type { Api } from "./api.ts";
import { Copy } from "./copy.tsx";
import { type DeadLetterActions, DeadLetterButtons } from "./dead-letter-actions.tsx";
import { Exchanges } from "./exchanges.tsx";
import { Json } from "./json.tsx";
import { Pill } from "./pill.tsx";
import { timeOf, tookOf } from "./times.ts";
import type { Show } from "./view.ts";
import { counted, deliveryWords, eventWords, outcomeWords, reasonWords, type Titles, waitWords } from "./words.ts";

/** Explains the state of a delivery in a sentence. */
function sentenceOf(
	{ destination, state, at, reason, ahead = 0, dueAt, deadLetter, wait }: JourneyDelivery,
	{ titles, isHeld, now }: Pick<JourneyProps, "titles" | "isHeld" | "now">,
): string | undefined {
	function placeOf(): string {
		if (ahead > 0) return `${counted(ahead, "event")} of this person ${ahead === 1 ? "is" : "are"} sent first.`;
		if (wait?.for === "operator")
			return `An operator has paused ${titles(destination)}: it waits until that is resumed.`;
		if (isHeld(destination)) return `The event waits until ${titles(destination)} takes requests again.`;
		return dueAt === undefined ? "This is the person’s next event." : `The next try is at ${timeOf(dueAt)}.`;
	}
	const because = reason === undefined ? "" : ` because ${reasonWords(reason)}`;
	switch (state) {
		case "delivered":
			return at === undefined ? undefined : `Delivered at ${timeOf(at)}.`;
		case "sending":
			return "A request is under way.";
		case "waiting":
			return [placeOf(), waitWords(wait, now)].filter(Boolean).join(" ");
		case "dead":
			return `Given up at ${timeOf(at ?? 0)}${because}${deadLetter?.message === undefined ? "" : `: ${deadLetter.message}`}.`;
		case "skipped":
			return `Not sent${because}.`;
		case "past":
			return "No longer waiting and not a dead letter; the outcome is older than this proxy remembers.";
	}
}

const AttemptLine = ({ at, request, outcome, status, reason, ms }: Attempt) => (
	<li>
		<time dateTime={new Date(at).toISOString()}>{timeOf(at)}</time> <code>{request}</code>{" "}
		<Pill words={outcomeWords[outcome]} />{" "}
		<span class="quiet">
			{status !== undefined && `${status} · `}
			{reason !== undefined && (
				<>
					<bdi>{reasonWords(reason)}</bdi> ·{" "}
				</>
			)}
			{tookOf(ms)}
		</span>
	</li>
);

interface JourneyProps {
	journey: Journey;
	api: Api;
	titles: Titles;
	show: Show;
	/** Tells whether a destination is paused or waiting. */
	isHeld(destination: string): boolean;
	/** Time by the proxy's clock. */
	now: number;
	actions: DeadLetterActions;
}

/** Shows one event from its capture to its deliveries. */
export function JourneyCard({ journey, api, titles, show, isHeld, now, actions }: JourneyProps) {
	const { event, person, site, receivedAt, trusted, discarded, deliveries } = journey;
	const what = eventWords(event);
	return (
		<li class="card journey">
			<h3>
				<bdi>{what}</bdi>{" "}
				<span class="quiet">
					of <bdi>{show.person(person)}</bdi> · {site}
				</span>
			</h3>
			<p class="quiet id">
				{event.id} <Copy text={event.id} what={`the id of ${what}`} />
			</p>
			<ul class="steps">
				<li>Happened at {timeOf(event.at)}</li>
				{receivedAt !== undefined && (
					<li>
						Taken in at {timeOf(receivedAt)}
						{trusted === undefined ? "" : trusted ? ", from the backend or a verified visitor" : ", from a page"}
					</li>
				)}
				{discarded.map(({ at, reason }) => (
					<li key={at}>
						A copy was discarded at {timeOf(at)}: {reasonWords(reason)}
					</li>
				))}
				{deliveries.length === 0 && discarded.length === 0 && <li>No destination takes events of this type.</li>}
			</ul>
			{deliveries.map((delivery) => (
				<div class="delivery" key={delivery.destination}>
					<h4>
						{titles(delivery.destination)} <Pill words={deliveryWords[delivery.state]} />
					</h4>
					{delivery.attempts.length > 0 && (
						<ol class="attempts">
							{delivery.attempts.map((attempt) => (
								<AttemptLine key={attempt.at + attempt.request} {...attempt} />
							))}
						</ol>
					)}
					<p>
						<bdi>{show.text(sentenceOf(delivery, { titles, isHeld, now }) ?? "")}</bdi>
					</p>
					{delivery.deadLetter && (
						<DeadLetterButtons actions={actions} which={{ ids: [delivery.deadLetter.id] }} what={what} />
					)}
				</div>
			))}
			<Exchanges api={api} event={event.id} titles={titles} show={show} />
			{event.data && (
				<details>
					<summary>The event’s data</summary>
					<Json value={event.data} what={`the data of ${what}`} show={show} />
				</details>
			)}
		</li>
	);
}
