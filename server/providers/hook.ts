import type { Person } from "../../shared/event.ts";
import type { IsCompared } from "../http/rate-limit.ts";

/** A request to a web hook's route, before its body is read. */
export interface HookHead {
	header(name: string): string | undefined;
	/** Value of a query parameter. */
	query(name: string): string | undefined;
	/** Time of receipt, ms since the epoch. */
	now: number;
	/** Tells which secrets may be compared; see `limitGuesses`. */
	isCompared: IsCompared;
}

export interface HookBody {
	/** The body's bytes; undefined if the app around the router has parsed the body already. */
	raw: Buffer | undefined;
	/** The body parsed as JSON; undefined if it is not JSON, or nested too deep. */
	readonly json: unknown;
	/** Returns the body's JSON, serialised anew; undefined if there is none, or if only the raw body may be compared. */
	reserialised(): string | undefined;
}

/** Tells whether a body proves knowledge of a secret. */
export type BodyCheck = (body: HookBody) => boolean;

/** A report, in terms that are the same for every provider. */
export interface Hook {
	/** The provider's name of the reported event: `message:send`. */
	event: string;
	/** True if the provider documents that name. */
	isKnown: boolean;
	/** Time of the reported event, ms since the epoch. */
	at: number;
	/** Key that is the same each time this report is delivered, and different for every other report. */
	key: string;
	/** Period in which the provider may deliver this report again, ms. */
	repeatMs: number;
	/** Data of the web hook, unchanged. */
	data: Record<string, unknown>;
	/** True if the report is about this account, rather than about another one with the same secret. */
	isOurs: boolean;
	/** Identity of the person, as far as the report states it. */
	person: Pick<Person, "email" | "userId">;
	/** The provider's aliases of the person: of a session, of a profile. */
	aliases: string[];
	/** True if the provider reports that the person's profile was deleted. */
	isGone: boolean;
	/** The person's attributes, as far as the report states them. */
	attributes: Record<string, unknown>;
	/** Remaining scalars of the report: the data of an event made of it, unless the event sets attributes. */
	details: Record<string, unknown>;
}

/** The web hooks of one account. */
export interface AccountHooks {
	/**
	 * Returns the check by which the body must prove knowledge of a secret that the account shares with the provider, or
	 * undefined if no body can.
	 */
	check(head: HookHead): BodyCheck | undefined;
	/** Reads a verified request; returns undefined if it is not one of the provider's web hooks. */
	read(request: HookHead & HookBody): Hook | undefined;
	/** Lists the aliases in `known`, under which reports may name the person. */
	aliases(known: Record<string, unknown>): string[];
}
