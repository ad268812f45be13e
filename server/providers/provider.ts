import type { Event, Person } from "../../shared/event.ts";
import type { StoredEvent } from "../stored-event.ts";

/**
 * One of the places events go to. All that is particular to it is behind this interface: the rest of
 * the server knows neither its words nor its paths. Built by `createCrisp…`, `createHelpCrunch…`, ….
 */
export interface Provider {
	readonly name: string;
	/** Its name as it writes it itself. */
	readonly title: string;
	/** How many requests it allows by default, for waiting out a limit and for budgets. */
	readonly allowance: Allowance;
	/** A cheap request that changes nothing: that it is delivered shows that address and credentials are right. */
	readonly probe: PlannedRequest;
	/** Whether it can be told of this person at all. */
	addresses(person: Person): boolean;
	/**
	 * What to send next for a lane, from its leading events and what is known of the person. Pure.
	 * Adjacent updates become one request; what was sent before with the same value is left out.
	 */
	plan(events: readonly [StoredEvent, ...StoredEvent[]], known: Known, now: number): Plan;
	/** Sends a plan's request, once, and says what the answer means. Never rejects. */
	send(request: PlannedRequest, signal: AbortSignal): Promise<Outcome>;
	/** Its own names for the person, as it reports them by, in what is known of them; absent where it reports nothing. */
	aliases?(known: Known): string[];
	/**
	 * Deletes people there: everybody who is this person, as far as the person and what was known of them tells.
	 * Absent where no route is known that does it. Asks `admit` before each request; rejects only as that does.
	 */
	remove?(person: Person, known: readonly Known[], admit: Admit): Promise<Removal>;
}

/** Whether one more request may be sent; if not, what is in the way. */
export type Admit = () => Promise<{ signal: AbortSignal } | { refused: string }>;

/** What became of people who were to be deleted. */
export type Removal =
	| { kind: "deleted" }
	/** There was nobody. */
	| { kind: "not_found" }
	/** Cannot be told whom. */
	| { kind: "not_addressable" }
	/** Not, or not all of them. */
	| { kind: "failed"; reason: string; status?: number };

export interface Allowance {
	requests: number;
	per: "day" | "minute" | "second";
}

/** What a provider remembers of a person between requests; a JSON object that it alone reads. */
export type Known = Record<string, unknown>;

export type Plan =
	/**
	 * The request to send, made from the `covers` leading events; once delivered, the `settles` leading events
	 * are done (0: it only prepares). `leftOut` attributes had values that do not fit there.
	 */
	| { kind: "send"; request: PlannedRequest; settles: number; covers: number; leftOut?: number }
	/** Nothing is left to send for the `settles` leading events. */
	| { kind: "done"; settles: number; leftOut?: number }
	/** The `settles` leading events are not delivered, on purpose. */
	| { kind: "discard"; settles: number; reason: string }
	/** The first event cannot be made into a request. */
	| { kind: "refuse"; reason: string; message: string };

/** One request, before it has a host and credentials. */
export interface PlannedRequest {
	/** What it is for, which decides what an answer means; the provider's own word. */
	purpose: string;
	method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
	/** Path segments as they are, not encoded. */
	path: string[];
	query?: Record<string, string>;
	body?: Record<string, unknown>;
	/** What is known of the person once this is delivered. */
	ifDelivered: Known;
	/** What is known if the answer is that the person is not there; absent where that ends it. */
	ifMissing?: Known | undefined;
}

/** What an answer means. `known` replaces what was known of the person. */
export type Outcome =
	| { kind: "delivered"; known: Known; status?: number }
	/** Try again later. `unreadable`: it may well have been done, so not for long. */
	| { kind: "retry"; reason: string; status?: number; unreadable?: true }
	/** The destination must wait; `forMs` where the provider said how long. */
	| { kind: "wait"; reason: string; status?: number; forMs?: number }
	/** Our credentials or the account are refused: no event of ours would fare better. */
	| { kind: "paused"; reason: string; status?: number }
	/** The person is not there; `known` makes the next plan create or find them. */
	| { kind: "unknownPerson"; known: Known; status?: number }
	| { kind: "rejected"; reason: string; message?: string; status?: number; known?: Known };

/** What every provider's configuration holds. */
export interface ProviderOptions {
	baseUrl: string;
	createPeople: "always" | "verified" | "never";
	occurredAt: "always" | "late" | "never";
}

/** Delivery later than this gets the capture time, where `occurredAt` is "late". */
const lateMs = 60_000;

/** What a page view says of its page; only what is known. */
export function pageData({ type, context }: Event): Record<string, string> {
	const { url, title } = (type === "page" && context) || {};
	return { ...(url !== undefined && { url }), ...(title !== undefined && { title }) };
}

/** An event's data as it is delivered: with its capture time, as no provider takes one of its own. */
export function deliveredData(
	event: Event,
	occurredAt: ProviderOptions["occurredAt"],
	now: number,
): Record<string, unknown> {
	const stamped = occurredAt === "always" || (occurredAt === "late" && now - event.at > lateMs);
	return { ...event.data, ...(stamped && { occurred_at: new Date(event.at).toISOString() }) };
}

/** Whether this event may make the provider create its person. */
export function mayCreate({ trusted }: StoredEvent, createPeople: ProviderOptions["createPeople"]): boolean {
	return createPeople === "always" || (createPeople === "verified" && trusted);
}

/** What a provider can hold in one attribute. */
export type Scalar = string | number | boolean;
export const isScalar = (value: unknown): value is Scalar =>
	typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
