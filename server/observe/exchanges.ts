import type { Notice } from "../delivery/dispatcher.ts";
import type { Destination, ForgetRequest } from "../outbox/outbox.ts";
import { answerTo } from "../providers/answers.ts";
import type { Outcome } from "../providers/provider.ts";
import { createRecent } from "./recent.ts";
import { brief, shownRequest } from "./shown.ts";

/** A request to a provider and its answer. The texts may be about a person, and must not be logged. */
export interface KeptExchange {
	at: number;
	destination: Destination;
	/** Key of the person. */
	person: string;
	/** First events of the request. */
	events: ReturnType<typeof brief>[];
	/** Method and path, without the parts that name the person. */
	request: string;
	/** Path segments, not encoded. */
	path: readonly string[];
	/** Body of the request as JSON; absent if there was none. */
	sent?: string | undefined;
	/** Text of the answer; absent if there was none, or a destination of one's own did not tell it. */
	answer?: string | undefined;
	outcome: Outcome["kind"];
	status?: number | undefined;
	ms: number;
}

/** Bytes kept of all exchanges, and characters of one text. */
const keptMost = 4_000_000;
const textMost = 16_384;
/** Weight of an exchange beside its texts: 2,000 exchanges are kept at most. */
const ownWeight = 2_000;
/** Number of events named for one exchange at most. */
const eventsListed = 100;

/** Clips a text. The result is a copy: a mere slice would keep the whole text in memory. */
const clipped = (text: string | undefined) =>
	text !== undefined ? Buffer.from(text.slice(0, textMost)).toString() : undefined;
const bytesOf = (text = "") => Buffer.byteLength(text);

/** Remembers the latest requests to providers with their bodies and answers, in a bounded memory of this process. */
export function createExchanges() {
	const kept = createRecent<KeptExchange>(keptMost);
	return {
		/** Adds the request of a step, if one was sent. */
		add(destination: Destination, { at, person, events, result }: Extract<Notice, { kind: "step" }>): void {
			const { plan, outcome, ms = 0 } = result;
			const [first] = events;
			if (plan.kind !== "send" || !outcome || !first) return;
			const { request, covers } = plan;
			const sent = clipped(request.body && JSON.stringify(request.body));
			const answer = clipped(answerTo(request));
			const shown = {
				at,
				destination,
				person,
				events: events.slice(0, Math.min(covers, eventsListed)).map(({ event }) => brief(event)),
				request: shownRequest(request, first.event.person),
				path: request.path,
			};
			const weight = ownWeight + bytesOf(sent) + bytesOf(answer);
			kept.add({ ...shown, sent, answer, outcome: outcome.kind, status: outcome.status, ms }, weight);
		},

		/** Lists the exchanges for an event, the oldest first. */
		of: (event: string): KeptExchange[] => kept.all().filter(({ events }) => events.some(({ id }) => id === event)),

		/** Removes the exchanges for people of a site, by their keys. */
		forget({ site, people }: ForgetRequest): void {
			kept.remove(({ destination, person }) => destination.site === site && people.includes(person));
		},
	};
}
