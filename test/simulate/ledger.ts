import type { Event } from "../../shared/event.ts";
import type { BatchReply } from "../../shared/wire.ts";
import type { Answer } from "./network.ts";

/** Event of the day, from its capture on. */
export interface Entry {
	/** Number of the event; also part of its data if it has data. */
	n: number;
	/** Number of the visitor, or a negative number for another source. */
	source: number;
	type: Event["type"];
	/** Name of a tracked event. */
	name?: string | undefined;
	/** Time of capture by the true clock, in ms since the epoch. */
	at: number;
	/** Attributes that the event sets. */
	sets?: Record<string, unknown> | undefined;
	orderId?: string | undefined;
	/** True for an event of the backend. */
	trusted?: boolean;
	/** Reason why the proxy has not accepted the event. */
	fate?: Fate;
	accepted?: Accepted;
	/** Number of times it was accepted again, after its answer was lost or its page was gone. */
	copies: number;
}

export interface Accepted {
	id: string;
	/** Key of the person, as the proxy derives it. */
	person: string;
	/** Time of the answer, in ms since the epoch. */
	at: number;
	/** Value of `Network.count()` as the batch was sent. */
	sent: number;
	/** Value of `Network.count()` as the batch was answered. */
	answered: number;
	/** Position of the event in its batch. */
	place: number;
}

/** Reason why an event was not accepted, as the report prints it. */
export type Fate =
	| "held in the browser of a visitor who did not log in"
	| "waiting in a browser for the visitor's next visit"
	| "deleted by the visitor's opt-out or logout"
	| "lost with a tab that was killed"
	| "lost with a page that could store nothing"
	| "deleted because its browser keeps no identity from page to page"
	| "ignored because the proxy took the sender for a bot"
	| "posted by a program while the proxy was down"
	| `refused: ${number}`
	| `dropped: ${string}`
	| `rejected: ${string}`;

type Captured = Pick<Event, "type" | "at" | "data" | "context"> & { name?: string };
type Sent = Captured & Pick<Event, "id" | "person">;

/** Key of an event among its source's. It includes the URL, because two tabs may open in the same millisecond. */
const keyOf = ({ type, at, data, context }: Captured): string =>
	type === "track" || type === "confirmation" ? String(data?.n) : `${type}@${at} ${context?.url}`;

/** Key of a person, as the proxy should derive it. */
const personOf = ({ email, userId }: Event["person"]): string => (email ? `email:${email}` : `userId:${userId}`);

/** Creates the ledger of the day, which holds every captured event and its fate on the way to the proxy. */
export function createLedger() {
	const entries: Entry[] = [];
	const bySource = new Map<number, Map<string, Entry>>();
	const counts = { unknown: 0, bots: 0, refused: new Map<number, number>() };

	const find = (source: number, event: Captured) => bySource.get(source)?.get(keyOf(event));

	/** Sets the fate of a batch that was not accepted and is not sent again. */
	function refuse(source: number, body: string, fate: Fate): void {
		const { events } = JSON.parse(body) as { events: Sent[] };
		for (const event of events) {
			const entry = find(source, event);
			if (entry && !entry.accepted) entry.fate = fate;
		}
	}

	return {
		entries,
		counts,
		find,
		/** Enters a batch that found the proxy down and is not sent again. */
		unanswered: (source: number, body: string) => refuse(source, body, "posted by a program while the proxy was down"),
		nextNumber: () => entries.length + 1,
		/** Enters an event that `source` captured. `event.at` is the time by its own clock, `entry.at` the true time. */
		capture(source: number, event: Captured, entry: Omit<Entry, "n" | "source" | "type" | "name" | "copies">): Entry {
			const { type, name } = event;
			const made: Entry = { n: entries.length + 1, source, type, name, copies: 0, ...entry };
			entries.push(made);
			const known = bySource.get(source) ?? new Map<string, Entry>();
			bySource.set(source, known.set(keyOf(event), made));
			return made;
		},
		/** Enters the proxy's answer to a batch. */
		answered(
			source: number,
			body: string,
			{ status, body: reply }: Answer,
			now: number,
			order: { sent: number; answered: number },
		) {
			if (status !== 202) {
				counts.refused.set(status, (counts.refused.get(status) ?? 0) + 1);
				if (source < 0) refuse(source, body, `refused: ${status}`);
				return;
			}
			const { events } = JSON.parse(body) as { events: Sent[] };
			const { accepted, rejected } = JSON.parse(reply) as BatchReply;
			if (accepted + rejected.length !== events.length) {
				counts.bots += events.length;
				refuse(source, body, "ignored because the proxy took the sender for a bot");
				return;
			}
			for (const [place, event] of events.entries()) {
				const entry = find(source, event);
				const rejection = rejected.find(({ id }) => id === event.id);
				if (!entry) counts.unknown += 1;
				else if (rejection) entry.fate ??= `rejected: ${rejection.code}`;
				else if (entry.accepted) entry.copies += 1;
				else entry.accepted = { id: event.id, person: personOf(event.person), at: now, place, ...order };
			}
		},
		/** Returns the entries of a source and accepts no more from it. */
		close(source: number): Entry[] {
			const known = [...(bySource.get(source)?.values() ?? [])];
			bySource.delete(source);
			return known;
		},
	};
}
export type Ledger = ReturnType<typeof createLedger>;
