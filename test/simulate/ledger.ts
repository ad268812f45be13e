import type { Event } from "../../shared/event.ts";
import type { BatchReply } from "../../shared/wire.ts";
import type { Answer } from "./network.ts";

/** One event of the day, from its capture on. */
export interface Entry {
	/** Its number: in its data, where it has data. */
	n: number;
	source: number;
	type: Event["type"];
	/** ms since the epoch, the true ones. */
	at: number;
	/** What it sets, if it sets attributes. */
	sets?: Record<string, unknown> | undefined;
	orderId?: string | undefined;
	/** From the backend. */
	trusted?: boolean;
	/** Why it never reached the proxy. */
	fate?: Fate;
	accepted?: Accepted;
	/** How often it was accepted again: its answer was lost, or the page was gone before it came. */
	copies: number;
}

export interface Accepted {
	id: string;
	/** The person's key, as the proxy sees it. */
	person: string;
	at: number;
	/** Its batch's place among all, when sent and when answered, and its own in the batch. */
	sent: number;
	answered: number;
	place: number;
}

export type Fate =
	| "held in the browser of a visitor who did not log in"
	| "waiting in a browser for its next visit"
	| "deleted by the visitor's opt-out or logout"
	| "lost with a tab that was killed"
	| "lost with a page that could store nothing"
	| "deleted as its browser keeps no identity from page to page"
	| "turned away as a bot's"
	| "posted by a program while nobody listened"
	| `refused: ${number}`
	| `dropped: ${string}`
	| `rejected: ${string}`;

type Captured = Pick<Event, "type" | "at" | "data" | "context">;
type Sent = Captured & Pick<Event, "id" | "person">;

/** How an event is found again by what it carries: two tabs may open in the same millisecond. */
const keyOf = ({ type, at, data, context }: Captured): string =>
	type === "track" || type === "confirmation" ? String(data?.n) : `${type}@${at} ${context?.url}`;

/** Who an event is about, as the proxy is to see it. */
const personOf = ({ email, userId }: Event["person"]): string => (email ? `email:${email}` : `userId:${userId}`);

/** The book of the day: what was captured, and what became of it before and at the proxy. */
export function createLedger() {
	const entries: Entry[] = [];
	const bySource = new Map<number, Map<string, Entry>>();
	const counts = { strangers: 0, bots: 0, refused: new Map<number, number>() };

	const find = (source: number, event: Captured) => bySource.get(source)?.get(keyOf(event));

	/** Nothing of a batch was taken, and whoever sent it will not try again. */
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
		/** A batch met nobody, and whoever sent it will not try again. */
		unheard: (source: number, body: string) => refuse(source, body, "posted by a program while nobody listened"),
		nextNumber: () => entries.length + 1,
		/** Enters an event; `source` is who has captured it, `at` the time it is stamped with. */
		capture(source: number, event: Captured, entry: Omit<Entry, "n" | "source" | "type" | "copies">): Entry {
			const made: Entry = { n: entries.length + 1, source, type: event.type, copies: 0, ...entry };
			entries.push(made);
			const known = bySource.get(source) ?? new Map<string, Entry>();
			bySource.set(source, known.set(keyOf(event), made));
			return made;
		},
		/** Enters what the proxy has answered to a batch. */
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
				refuse(source, body, "turned away as a bot's");
				return;
			}
			for (const [place, event] of events.entries()) {
				const entry = find(source, event);
				const rejection = rejected.find(({ id }) => id === event.id);
				if (!entry) counts.strangers += 1;
				else if (rejection) entry.fate ??= `rejected: ${rejection.code}`;
				else if (entry.accepted) entry.copies += 1;
				else entry.accepted = { id: event.id, person: personOf(event.person), at: now, place, ...order };
			}
		},
		/** What a source has captured; with that the book is closed on it. */
		close(source: number): Entry[] {
			const known = [...(bySource.get(source)?.values() ?? [])];
			bySource.delete(source);
			return known;
		},
	};
}
export type Ledger = ReturnType<typeof createLedger>;
