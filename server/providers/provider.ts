import type { Event, Person } from "../../shared/event.ts";
import type { StoredEvent } from "../stored-event.ts";
import type { AccountHooks } from "./hook.ts";

/** The leading events of a lane. */
export type Lane = readonly [StoredEvent, ...StoredEvent[]];

/** A connection to one account of a provider. The provider's words, paths, limits and errors stay behind it. */
export interface Connector {
	/** Limit of the provider, from which the default budget and the length of a wait after a limit follow. */
	readonly allowance: Allowance;
	/**
	 * A cheap request that changes nothing. Its success proves that the address and the credentials are right. Without one,
	 * events tell: a refusal pauses the destination once three people in a row have met it.
	 */
	readonly probe?: PlannedRequest;
	/** The rights that deliveries need, beside that of the probe. Absent if the provider knows no separate rights. */
	readonly rights?: readonly Right[];
	/**
	 * Maximum number of leading events that a plan is shown, of any types. Without it a plan is shown up to 100, which end
	 * with the first that does not only set attributes.
	 */
	readonly batch?: number;
	/** Tells whether events of this person can be delivered. */
	addresses(person: Person): boolean;
	/** Tells whether an event may become part of a digest, if a rule says so. Absent if every event may. */
	merges?(event: Event): boolean;
	/**
	 * Plans the next request for a lane, from its leading events and the knowledge of its person. Pure. Merges adjacent
	 * updates into one request, and leaves out attributes that were last sent with the same value. `isWorthProfile` tells
	 * that an event for which a profile may be created waits, among these or further back.
	 */
	plan(events: Lane, known: Known, now: number, isWorthProfile?: boolean): Plan;
	/** Sends a planned request once, and resolves to the meaning of the answer. Never rejects. */
	send(request: PlannedRequest, signal: AbortSignal): Promise<Outcome>;
	/**
	 * Imagines the outcome of a request for a person who had no profile, to explain what would be sent. Absent or undefined:
	 * unknown where `ifMissing` says what follows, else delivered.
	 */
	imagine?(request: PlannedRequest): Outcome | undefined;
	/** Deletes every profile of a person. Rejects only if `send` does. Absent if no route for it is known. */
	remove?(person: Person, known: readonly Known[], send: Send): Promise<Removal>;
}

/** A right of the credentials. */
export interface Right {
	/** Words for the operator: "send events". */
	name: string;
	/**
	 * A request that needs the right and can change nothing, because it names a person who cannot exist and lacks what the
	 * provider requires. Absent if no request is sure to change nothing.
	 */
	request?: PlannedRequest;
}

/** A destination of events: a connector with its names, and with web hooks if they can be verified. */
export interface Provider extends Connector {
	/** Name in the configuration, in routes and in the store. */
	readonly name: string;
	/** The provider's name as it spells it itself. */
	readonly title: string;
	/** Events worth a profile, by type, name, or name with `*`; absent if the account has no list of them. */
	readonly worthProfile?: readonly string[] | undefined;
	/** The account's web hooks; absent if the account shares no secret with the provider. */
	readonly hooks?: AccountHooks | undefined;
}

/** Sends a request at the cost of the budget. Resolves to `wait`, with the reason, if the request is not sent now. */
export type Send = (request: PlannedRequest) => Promise<Outcome>;

/** The result of deleting a person's profiles. */
export type Removal =
	| { kind: "deleted" }
	/** The person had no profile. */
	| { kind: "not_found" }
	/** The provider cannot be told which person is meant. */
	| { kind: "not_addressable" }
	/** At least one profile was not deleted. */
	| { kind: "failed"; reason: string; status?: number | undefined };

export interface Allowance {
	requests: number;
	per: "day" | "minute" | "second";
}

/** Knowledge of a person that a provider keeps between requests: a JSON object that only the provider reads. */
export type Known = Record<string, unknown>;

export type Plan =
	/**
	 * Send a request that is made from the `covers` leading events. Its delivery settles the `settles` leading events (0
	 * if it only prepares for the first one). `leftOut` counts attributes that cannot be held or may not be set,
	 * `refused` names those among them whose names the provider has refused. With `keepsTurn`, the lane is served again
	 * before others of its rank.
	 */
	| {
			kind: "send";
			request: PlannedRequest;
			settles: number;
			covers: number;
			leftOut?: number;
			refused?: string[] | undefined;
			keepsTurn?: boolean;
	  }
	/** Nothing is left to send for the `settles` leading events. */
	| { kind: "done"; settles: number; leftOut?: number; refused?: string[] | undefined }
	/** Nothing is sent for the lane until an event worth a profile comes for its person, or until a time. */
	| { kind: "await"; until: number }
	/** The configuration forbids delivering the `settles` leading events. */
	| { kind: "discard"; settles: number; reason: string }
	/** No request can be made from the first event. */
	| { kind: "refuse"; reason: string; message: string };

/** A request before it is given a host and credentials. */
export interface PlannedRequest {
	/**
	 * Aim of the request, in a word that the connector chooses. The meaning of an answer depends on it. `create` is the
	 * creation of a profile: if the provider refuses it, only requests of this purpose are held.
	 */
	purpose: string;
	method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
	/** Path segments, not encoded. */
	path: readonly string[];
	query?: Record<string, string> | undefined;
	body?: Record<string, unknown> | undefined;
	/** Knowledge of the person after delivery. */
	ifDelivered: Known;
	/** Knowledge of the person after an answer that they do not exist; absent if that answer ends the event. */
	ifMissing?: Known | undefined;
	/** Attributes that the request sets, if it may be sent once more without some of them. */
	attributes?: SentAttributes | undefined;
}

/** Attributes in a request, for the case that the provider refuses it; see refused-names.ts. */
interface SentAttributes {
	/** The attributes, under the names by which they are remembered. */
	fields: Record<string, unknown>;
	/** Attributes that were left out on trial. */
	doubted: Record<string, unknown>;
	/** Id of the first event that the request is made from. */
	of: string;
	/** Knowledge of the person before the request. */
	before: Known;
	now: number;
}

/** The meaning of an answer. `known` replaces the knowledge of the person. `message` is kept in the dead letter. */
export type Outcome =
	| { kind: "delivered"; known: Known; status?: number }
	/**
	 * Try again later, after `forMs` at the earliest. An `unreadable` answer may be a success, so the event is repeated a
	 * few times only.
	 */
	| {
			kind: "retry";
			reason: string;
			message?: string;
			status?: number;
			unreadable?: true;
			forMs?: number | undefined;
			known?: Known | undefined;
	  }
	/**
	 * A limit is reached: no request to this destination for a while, for `forMs` if the provider said so. `isUnsure` is
	 * true if the answer may mean a limit of this request alone; the probe decides, as for `paused`.
	 */
	| {
			kind: "wait";
			reason: string;
			status?: number;
			forMs?: number | undefined;
			isUnsure?: true;
			known?: Known | undefined;
	  }
	/**
	 * Credentials, account or plan are refused. If the probe succeeds afterwards, the refusal is of this request alone, or
	 * of all that create profiles.
	 */
	| { kind: "paused"; reason: string; status?: number; known?: Known | undefined }
	/** The person does not exist. `known` makes the next plan find or create them. */
	| { kind: "unknownPerson"; known: Known; status?: number }
	/** This event is refused for good; if `isAgain` is true, only this request, and `known` makes another one of the event. */
	| {
			kind: "rejected";
			reason: string;
			message?: string | undefined;
			status?: number;
			known?: Known | undefined;
			isAgain?: true;
	  };
