import type { Person } from "../../shared/event.ts";

/** A request to a web hook's route. Nothing in it is verified yet. */
export interface HookRequest {
	header(name: string): string | undefined;
	/** Value of a query parameter. */
	query(name: string): string | undefined;
	/** The body's bytes; undefined if the app around the router has parsed the body already. */
	raw: Buffer | undefined;
	/** The body parsed as JSON; undefined if it is not JSON. */
	json: unknown;
	/** Time of receipt, ms since the epoch. */
	now: number;
}

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
	/** Tells whether the request proves knowledge of a secret that the account shares with the provider. */
	verifies(request: HookRequest): boolean;
	/** Reads a verified request; returns undefined if it is not one of the provider's web hooks. */
	read(request: HookRequest): Hook | undefined;
	/** Lists the aliases in `known`, under which reports may name the person. */
	aliases(known: Record<string, unknown>): string[];
}
