import type { Discarded } from "../outbox.ts";
import type { SqliteStore } from "./store.ts";

/** Operations that the outbox asks of the store's thread. */
export type Operations = Omit<
	SqliteStore,
	"transactions" | "makeRoom" | "recover" | "waiting" | "fanOut" | "setAside" | "checkpoint"
>;

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

/** Operations as they are called from outside the thread. */
type Remote = { [Name in keyof Operations]: (...args: Arguments[Name]) => Promise<Results[Name]> };

/** Makes the operations from `send`, which posts a call and resolves to the answer. */
export const remoteOperations = (send: (name: keyof Operations, args: unknown[]) => Promise<unknown>): Remote =>
	new Proxy({} as Remote, {
		get:
			(_, name) =>
			(...args: unknown[]) =>
				send(name as keyof Operations, args),
	});

/** Answer to a call. An error is `isUnknown` if the call's changes may be on disk. */
export type Answer = { id: number; value: unknown } | { id: number; error: string; isUnknown?: boolean };

/** A message of the thread. */
export type Message =
	| { kind: "open" }
	/** The store cannot be opened. */
	| { kind: "failed"; message: string }
	/** A commit: answers to calls, events that were discarded, and whether lanes may have become ready. */
	| { kind: "committed"; answers: Answer[]; discarded: Discarded[]; isReady: boolean }
	/** A failure behind the interface; the work will be tried again, or was set aside. */
	| { kind: "fault"; message: string };

/** Data for the start of the thread. */
export interface StoreData {
	path: string;
	maxBytes: number | undefined;
}
