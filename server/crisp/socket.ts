import { doubling } from "../delivery/backoff.ts";
import { authenticated, type CrispAccess, loadCrispApi } from "./client.ts";
import { CrispError } from "./error.ts";

/** Period in which events may have been missed. Crisp's socket does not send them again. */
export interface MissedEvents {
	/** Last sign of life from Crisp before the gap, ms since the epoch. */
	since: number;
	/** Time of the new connection, ms since the epoch. */
	until: number;
	/** Names of the subscribed events. */
	events: string[];
}

export interface SocketOptions {
	access: CrispAccess;
	tell(name: string, payload: unknown): void;
	onMissed(missed: MissedEvents): void;
	onError(error: CrispError): void;
	now(): number;
	/** Time in ms from the first failure to a new connection. Each further failure doubles it. Default 5 s. */
	retryMs?: number;
}

/** Default of `retryMs`. The official client waits 5 to 10 s where it reconnects by itself. */
const retryDefault = 5_000;
const mostRetryMs = 300_000;

/**
 * Receives events by Crisp's socket, through the official client: https://docs.crisp.chat/guides/rtm-api/quickstart. The
 * client takes no names once it is connected, throws in a callback when it is refused, and does not reconnect after the
 * server ends the connection. In these cases the connection is replaced by a new one.
 */
export function openSocket({ access, tell, onMissed, onError, now, retryMs = retryDefault }: SocketOptions) {
	const names = new Set<string>();
	let end = () => {};
	/** Subscribes to a name on the connection that is being opened. */
	let add: ((name: string) => void) | undefined;
	/** `idle`: no name is subscribed yet. `opening`: names can still be added to the connection. */
	let state: "idle" | "opening" | "open" | "closed" = "idle";
	let attempts = 0;
	let retrying: NodeJS.Timeout | undefined;
	let heardAt: number | undefined;
	let missedSince: number | undefined;

	function heard(): void {
		heardAt = now();
	}

	function failed(message: string, cause?: unknown): void {
		onError(new CrispError("connection", message, { cause }));
		restart(doubling(++attempts, retryMs, mostRetryMs));
	}

	/** Closes the connection, and opens another one after a wait. */
	function restart(afterMs: number): void {
		end();
		end = () => {};
		missedSince ??= heardAt;
		clearTimeout(retrying);
		if (state === "closed") return;
		state = "opening";
		retrying = setTimeout(connect, afterMs);
	}

	function stop(): void {
		state = "closed";
		clearTimeout(retrying);
		end();
	}

	async function connect(): Promise<void> {
		try {
			const Crisp = await loadCrispApi();
			class Connection extends Crisp {
				get socket() {
					return this._socket;
				}
			}
			const client = authenticated(new Connection(), access);
			let binding: Promise<unknown> = Promise.resolve();
			add = (name) => {
				binding = Promise.all([binding, client.on(name, (payload: unknown) => tell(name, payload))]);
				binding.catch(() => {});
			};
			for (const name of names) add(name);
			await binding;
			add = undefined;
			const { socket } = client;
			if (state === "closed" || !socket) return void socket?.disconnect();
			state = "open";
			end = () => void socket.removeAllListeners().disconnect();

			// The official client's handler throws inside a callback, which would end the process.
			socket.off("unauthorized");
			socket.on("unauthorized", () => {
				onError(new CrispError("unauthorized", "Crisp refuses the token: check identifier, key and tier"));
				stop();
			});
			socket.onAny(heard);
			socket.io.on("ping", heard);
			socket.on("connect", () => {
				attempts = 0;
				heard();
				if (missedSince !== undefined) onMissed({ since: missedSince, until: now(), events: [...names] });
				missedSince = undefined;
			});
			socket.on("disconnect", (reason) => {
				missedSince ??= heardAt;
				if (reason === "io server disconnect") failed("Crisp has closed the connection for events");
			});
			socket.on("connect_error", (error) => {
				// An active socket reconnects by itself, and then emits `connect`.
				if (!socket.active) failed("Crisp refuses the connection for events", error);
			});
		} catch (error) {
			add = undefined;
			if (error instanceof CrispError) {
				onError(error);
				stop();
			} else if (state !== "closed")
				failed("Crisp's API gave no address for events: check that the token is right for its tier", error);
		}
	}

	return {
		/** Subscribes to events of that name. If the connection is open, replaces it by a new one. */
		subscribe(name: string): void {
			if (state === "closed" || names.has(name)) return;
			names.add(name);
			if (state === "open") restart(0);
			else if (state === "opening") add?.(name);
			else {
				state = "opening";
				void connect();
			}
		},
		close: stop,
	};
}
