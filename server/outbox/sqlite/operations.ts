import type { Discarded } from "../outbox.ts";
import type { Budgets } from "./budget.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { createExpiry } from "./expire.ts";
import type { createForget } from "./forget.ts";
import type { Holds } from "./holds.ts";
import type { Journal } from "./journal.ts";
import type { Leases } from "./leases.ts";
import type { Links } from "./links.ts";
import type { createReports } from "./reports.ts";
import type { Room } from "./room.ts";
import type { createSearch } from "./search.ts";
import type { createSettling } from "./settle.ts";
import type { createStats } from "./stats.ts";
import type { createSweep } from "./sweep.ts";

/** Operations that the outbox asks of the store's thread, by the part of the store that has each. */
export interface Operations
	extends Pick<Journal, "append">,
		Pick<Leases, "take">,
		Pick<ReturnType<typeof createSettling>, "settle">,
		Pick<Holds, "hold">,
		Pick<Budgets, "advance" | "budgetUse">,
		Pick<ReturnType<typeof createExpiry>, "expire">,
		Pick<ReturnType<typeof createReports>, "receive">,
		Pick<Links, "linked">,
		Pick<DeadLetters, "deadLetters" | "replayStep" | "discardStep">,
		Pick<ReturnType<typeof createForget>, "forget">,
		Pick<ReturnType<typeof createSearch>, "findOwed" | "findEvents">,
		Pick<ReturnType<typeof createStats>, "stats">,
		Pick<ReturnType<typeof createSweep>, "sweep">,
		Pick<Room, "check"> {}

type Arguments = { [Name in keyof Operations]: Parameters<Operations[Name]> };
type Results = { [Name in keyof Operations]: ReturnType<Operations[Name]> };

/** One call of an operation, as it is posted to the thread. */
export type Call<Names extends keyof Operations = keyof Operations> = {
	[Name in Names]: { id: number; name: Name; args: Arguments[Name] };
}[Names];

/** Calls an operation by its name. */
export function perform<Name extends keyof Operations>(
	operations: { [Each in keyof Operations]: (...args: Arguments[Each]) => Results[Each] },
	{ name, args }: Call<Name>,
): Results[Name] {
	return operations[name](...args);
}

/** The operations as they look from outside the thread. */
export type Asked = { [Name in keyof Operations]: (...args: Arguments[Name]) => Promise<Results[Name]> };

/** Makes the operations out of `send`, which posts a call and resolves to the answer. */
export const askedBy = (send: (name: keyof Operations, args: unknown[]) => Promise<unknown>): Asked =>
	new Proxy({} as Asked, {
		get:
			(_, name) =>
			(...args: unknown[]) =>
				send(name as keyof Operations, args),
	});

export type Answer = { id: number; value: unknown } | { id: number; error: string };

/** A message of the thread. */
export type Message =
	| { kind: "open" }
	/** The store cannot be opened. */
	| { kind: "failed"; message: string }
	/** A commit: answers to calls, events that were discarded, and whether lanes may have become ready. */
	| { kind: "committed"; answers: Answer[]; discarded: Discarded[]; isReady: boolean }
	/** A failure behind the interface; the work will be tried again, or was set aside. */
	| { kind: "fault"; message: string };

/** Data that the thread is started with. */
export interface StoreData {
	path: string;
	maxBytes: number | undefined;
}
