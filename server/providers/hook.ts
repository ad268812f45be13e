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

/** One thing that a provider reports, in terms that are the same for every provider. */
export interface Hook {
	/** The provider's name for the kind of report: `message:send`. */
	event: string;
	/** Whether the provider documents that name. */
	isKnown: boolean;
	/** Time of what is reported, ms since the epoch. */
	at: number;
	/** Key that is the same each time this report is delivered, and different for every other report. */
	key: string;
	/** Period in which the provider may deliver this report again, ms. */
	repeatMs: number;
	/** Everything the provider says of it, unchanged. */
	data: Record<string, unknown>;
	/** Whether the report is about this account, rather than about another one with the same secret. */
	isOurs: boolean;
	/** Identity of the person, as far as the report states it. */
	person: Pick<Person, "email" | "userId">;
	/** Other names the provider has for the person: of a session, of a profile. */
	aliases: string[];
	/** Whether the person's profile was deleted there. */
	isGone: boolean;
	/** The person's attributes, as far as the report states them. */
	attributes: Record<string, unknown>;
	/** Remaining scalars of the report: the data of an event made from it. */
	details: Record<string, unknown>;
}

/** The web hooks of one account. */
export interface AccountHooks {
	/** Whether the request proves knowledge of a secret that the account shares with the provider. */
	verifies(request: HookRequest): boolean;
	/** Reads a verified request; returns undefined if it is not one of the provider's web hooks. */
	read(request: HookRequest): Hook | undefined;
	/** Aliases under which reports name a person, as far as the memory of the person has them. */
	aliases(known: Record<string, unknown>): string[];
}
