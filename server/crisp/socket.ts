import { doubling } from "../delivery/backoff.ts";
import { type CrispCredentials, loadCrispApi, prepare } from "./client.ts";
import { CrispError } from "./error.ts";

/** Events that may not have been heard: Crisp does not send them again. */
export interface MissedEvents {
	/** When Crisp was last heard, ms since the epoch. */
	since: number;
	/** When it was heard again. */
	until: number;
	/** The names that were subscribed. */
	events: string[];
}

export interface SocketOptions {
	credentials: CrispCredentials;
	tell(name: string, payload: unknown): void;
	onMissed(missed: MissedEvents): void;
	onError(error: CrispError): void;
	now(): number;
	/** How long after the first failure a new connection is tried, ms; later ones wait longer. */
	retryMs?: number;
}

/** How long after a failure a new connection is tried: Crisp's own client takes 5 to 10 s for those it mends itself. */
const retryDefault = 5_000;
const mostRetryMs = 300_000;

/**
 * Events by Crisp's socket, through the official client, which takes names only until it is connected, throws in a
 * callback when it is refused, and does not come back when the server ends the connection: then a new one takes its place.
 */
export function openSocket({ credentials, tell, onMissed, onError, now, retryMs = retryDefault }: SocketOptions) {
	const names = new Set<string>();
	let end = () => {};
	/** Adds a name to the connection that is being made. */
	let add: ((name: string) => void) | undefined;
	/** `idle`: nobody has asked for any. `opening`: names may still be added. */
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

	/** Ends the connection there is, and makes another one after a while. */
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
			const client = prepare(new Connection(), credentials);
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

			// Thrown in its callback, it would end the process.
			socket.off("unauthorized");
			socket.on("unauthorized", () => {
				onError(new CrispError("unauthorized", "Crisp refuses the token: are identifier, key and tier right?"));
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
				if (reason === "io server disconnect") failed("Crisp has ended the connection for events");
			});
			socket.on("connect_error", (error) => {
				// What it tries again by itself it will tell of when it is back.
				if (!socket.active) failed("Crisp refuses the connection for events", error);
			});
		} catch (error) {
			add = undefined;
			if (error instanceof CrispError) {
				onError(error);
				stop();
			} else if (state !== "closed")
				failed("Crisp's address for events could not be had: is the token right for its tier?", error);
		}
	}

	return {
		/** Has events of that name told from now on. Those that are named in one turn share a connection. */
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
