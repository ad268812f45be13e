import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import type { Server, Socket } from "socket.io";

/** Crisp's event socket, as a test controls it. */
export interface CrispRelay {
	/** Sends an event to its subscribers; returns their number. */
	emit(event: string, data: Record<string, unknown>): number;
	/** Resolves once a client has subscribed to an event; rejects after `timeoutMs` (default 10,000). */
	subscribed(event: string, timeoutMs?: number): Promise<void>;
	/** Ends all connections: as a server that disconnects its clients, or as a failing network. */
	drop(how: "server" | "network"): void;
}

const path = "/crisp/relay";

type Authentication = Partial<Record<"username" | "password" | "tier" | "events", unknown>>;

/**
 * Crisp's event socket (https://docs.crisp.chat/guides/rtm-api/), on the sandbox's own server. Starts when its
 * address is first requested, because it needs socket.io and most tests do without.
 */
export function createRelay(server: HttpServer, admits: (given: Authentication) => boolean) {
	let started: Promise<string> | undefined;
	let io: Server | undefined;
	/** Subscriptions of each authenticated connection. */
	const subscriptions = new Map<Socket, Set<string>>();
	const changed = new EventTarget();

	function greet(socket: Socket): void {
		socket.on("authentication", (given: Authentication | undefined) => {
			if (!given || !admits(given)) {
				socket.emit("unauthorized", { message: "invalid_session" });
				return void socket.disconnect();
			}
			const events = Array.isArray(given.events) ? given.events.map(String) : [];
			subscriptions.set(socket, new Set(events));
			socket.emit("authenticated", {});
			changed.dispatchEvent(new Event("change"));
		});
		socket.once("disconnect", () => subscriptions.delete(socket));
	}

	async function start(): Promise<string> {
		const { Server } = await import("socket.io").catch((cause) => {
			throw new Error("Crisp's events in the sandbox need socket.io: npm install --save-dev socket.io", { cause });
		});
		const address = server.address();
		if (!address || typeof address === "string") throw new Error("The sandbox does not listen");
		io = new Server(server, { path, transports: ["websocket"], serveClient: false });
		io.on("connection", greet);
		return `ws://127.0.0.1:${address.port}${path}/`;
	}

	const relay: CrispRelay = {
		emit(event, data) {
			const sockets = [...subscriptions].filter(([, events]) => events.has(event));
			for (const [socket] of sockets) socket.emit(event, data);
			return sockets.length;
		},
		async subscribed(event, timeoutMs = 10_000) {
			const signal = AbortSignal.timeout(timeoutMs);
			while (![...subscriptions.values()].some((events) => events.has(event))) {
				await once(changed, "change", { signal }).catch((cause) => {
					throw new Error(`No client subscribed to ${event} within ${timeoutMs} ms`, { cause });
				});
			}
		},
		drop(how) {
			for (const socket of subscriptions.keys()) {
				if (how === "server") socket.disconnect();
				else socket.conn.close();
			}
		},
	};

	return {
		relay,
		/** Resolves to the socket's address; rejects if socket.io is not installed. */
		url: (): Promise<string> => {
			started ??= start();
			return started;
		},
		stop(): void {
			io?.disconnectSockets(true);
			io?.engine.close();
		},
	};
}
