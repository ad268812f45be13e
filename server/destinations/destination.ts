import type { Event, Person } from "../../shared/event.ts";
import type { Allowance, Known, Lane, Plan, PlannedRequest } from "../providers/provider.ts";

/** Tools and facts that every function of a destination gets, for one call. */
export interface Sending {
	/**
	 * Node's `fetch` within bounds: it ends with the call, follows no redirect, and reads up to 64 KB of the answer. The
	 * text of a longer answer cannot be read.
	 */
	fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
	/** Aborted once the call has taken 10 s, or the proxy stops. */
	signal: AbortSignal;
	/** A copy of what the function remembered of the person; at first `{}`. */
	known: Known;
}

/**
 * An answer that says by itself what it means. `known`, a JSON object of at most 8 KB, is remembered of the person in
 * place of the old. `reason` is shown to operators, up to 300 characters of it, without addresses, e-mails and keys.
 */
export type OwnOutcome =
	| { kind: "delivered"; known?: Known; reason?: string }
	/** Try again later, after `retryAfter` seconds at the earliest. */
	| { kind: "retry"; known?: Known; reason?: string; retryAfter?: number }
	/** A limit is reached: no request to this destination for `retryAfter` seconds, or for a while. */
	| { kind: "wait"; known?: Known; reason?: string; retryAfter?: number }
	/** This event is refused for good: it becomes a dead letter. */
	| { kind: "rejected"; known?: Known; reason?: string }
	/** The credentials are refused. */
	| { kind: "paused"; known?: Known; reason?: string }
	/** The person does not exist there. `known` makes the next plan find or create them. */
	| { kind: "unknownPerson"; known: Known; reason?: string };

/**
 * The answer of a function. The meaning of a `Response` follows from its status: 2xx delivered, 429 wait, 401 and 403
 * paused, 408 and 5xx retry, any other rejected.
 */
export type Answer = Response | OwnOutcome;

/** Options of every destination of your own. */
interface OwnCommon {
	/** Maximum of requests per day, minute or second; default 10 a second. */
	budget?: Allowance | undefined;
	/** Events that are delivered, as for the providers; default all but page views. */
	events?: string[] | undefined;
	/** Time of day in UTC at which the day of a daily budget starts; default `00:00Z`. */
	dayStartsAt?: string | undefined;
	/** Part of a daily budget that is kept for the backend's events, 0 to 1. */
	reserve?: number | undefined;
	/** Longest wait of an event, ms, before it becomes a dead letter; default 7 days. */
	maxWait?: number | undefined;
}

interface OwnFunctions {
	/** Sends a request that changes nothing; its success shows that the credentials are right. */
	probe?: ((sending: Sending) => Answer | Promise<Answer>) | undefined;
	/**
	 * Deletes a person's profile, when they are to be forgotten. A 404 or 410 means that there was none. Called once for
	 * each thing known of the person.
	 */
	remove?: ((person: Pick<Person, "email" | "userId">, sending: Sending) => Answer | Promise<Answer>) | undefined;
}

interface NoAddress {
	url?: undefined;
	secret?: undefined;
	allowPrivate?: undefined;
}

/** A function that takes one event at a time. */
export interface EventFunction extends OwnCommon, OwnFunctions, NoAddress {
	batch?: undefined;
	plan?: undefined;
	/** Delivers an event. The copy is yours. */
	send(event: Event, sending: Sending): Answer | Promise<Answer>;
}

/** A function that takes several events of one person at a time. */
export interface BatchFunction extends OwnCommon, OwnFunctions, NoAddress {
	/** Maximum number of events in a call, 1 to 100. */
	batch: number;
	plan?: undefined;
	/** Delivers the leading events of one person, all or none. The copies are yours. */
	send(events: [Event, ...Event[]], sending: Sending): Answer | Promise<Answer>;
}

/** The advanced form: a plan of the next request, and a function that sends it. */
export interface PlannedFunctions extends OwnCommon, OwnFunctions, NoAddress {
	batch?: undefined;
	/** Plans the next request for a person's leading events, from what is known of the person. Changes nothing. */
	plan(events: Lane, known: Known, now: number): Plan;
	/** Sends a planned request once. What is known after a 2xx answer is the request's `ifDelivered`. */
	send(request: PlannedRequest, sending: Sending): Answer | Promise<Answer>;
}

/** An address that gets each event as a signed POST: https://www.standardwebhooks.com */
export interface AddressDestination extends OwnCommon {
	/** Address, `https:`, or `http:` to a loopback address. */
	url: string;
	/** Secret of the signature, `whsec_` and its bytes in base64; default no signature. */
	secret?: string | undefined;
	/** Whether the address may be in a private network; default false. */
	allowPrivate?: boolean | undefined;
	send?: undefined;
	batch?: undefined;
	plan?: undefined;
	probe?: undefined;
	remove?: undefined;
}

export type FunctionDestination = EventFunction | BatchFunction | PlannedFunctions;
/** A destination of your own: a function, or an address. */
export type OwnDestination = FunctionDestination | AddressDestination;

/** Budget of a destination of your own that names none. */
export const defaultBudget: Allowance = { requests: 10, per: "second" };

/** Maximum number of events in a call. */
export const batchMost = 100;

/** Lets an editor check a destination of your own, and infers the types of its functions' arguments. */
export function defineDestination(destination: PlannedFunctions): PlannedFunctions;
export function defineDestination(destination: BatchFunction): BatchFunction;
export function defineDestination(destination: EventFunction): EventFunction;
export function defineDestination(destination: AddressDestination): AddressDestination;
export function defineDestination(destination: OwnDestination): OwnDestination {
	return destination;
}
