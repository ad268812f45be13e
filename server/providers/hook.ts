import type { Person } from "../../shared/event.ts";
import { isScalar } from "./provider.ts";

/** A request that claims to be a provider's web hook. */
export interface HookRequest {
	header(name: string): string | undefined;
	/** `?key=` */
	key: string | undefined;
	/** The body as it came; absent where the app around the router has parsed it already. */
	raw: Buffer | undefined;
	/** The body as JSON; undefined where it is none. */
	json: unknown;
	/** ms since the epoch. */
	now: number;
}

/** What a provider reports, in our words. */
export interface Hook {
	/** Its name there. */
	event: string;
	/** Whether that name is one that is known. */
	isKnown: boolean;
	/** When it happened, ms since the epoch. */
	at: number;
	/** What tells it from any other, and is the same when it is delivered again. */
	key: string;
	/** For how long it may be delivered again, ms. */
	repeatMs: number;
	/** What is reported, as it came. */
	data: Record<string, unknown>;
	/** The account it is of, where the provider says so. */
	account: string | undefined;
	/** Whom it is about, where it says so itself. */
	person: Pick<Person, "email" | "userId">;
	/** The provider's own names for them: a session, a profile. */
	aliases: string[];
	/** Whether their profile there is gone. */
	isGone: boolean;
	/** Attributes of theirs that it tells. */
	attributes: Record<string, unknown>;
	/** What else it tells, for an event. */
	details: Record<string, unknown>;
}

/** What a provider's web hooks look like. */
export interface HookSource<Account> {
	/** The provider's name: the last part of the route. */
	name: "crisp" | "helpcrunch";
	/** Whether what the account shares with the provider vouches for a request. */
	vouches(account: Account, request: HookRequest): boolean;
	/** Reads what was vouched for; undefined where it is no web hook. */
	read(request: HookRequest): Hook | undefined;
	/** Whether it is of this very account, and not of another with the same secret. */
	concerns(account: Account, hook: Hook): boolean;
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

export const textOf = (value: unknown): string | undefined =>
	typeof value === "string" && value !== "" ? value : undefined;

/** Those entries whose values fit into an attribute or a flat event, without the names in `left`. */
export const scalarsOf = (value: unknown, left: ReadonlySet<string> = new Set()): Record<string, unknown> =>
	isRecord(value)
		? Object.fromEntries(Object.entries(value).filter(([name, each]) => !left.has(name) && isScalar(each)))
		: {};
