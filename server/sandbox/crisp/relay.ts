import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import type { Server, Socket } from "socket.io";

/** What Crisp's socket tells those who listen. */
export interface CrispRelay {
	/** Tells an event to those who subscribed to it; returns how many. */
	emit(event: string, data: Record<string, unknown>): number;
	/** Resolves once somebody has subscribed to an event; rejects after `timeoutMs` (default 10,000). */
	subscribed(event: string, timeoutMs?: number): Promise<void>;
	/** Ends all connections: as a server does that wants no more of them, or as a network that fails. */
	drop(how: "server" | "network"): void;
}

const path = "/crisp/relay";

interface Authentication {
	username?: unknown;
	password?: unknown;
	tier?: unknown;
	events?: unknown;
}

/**
 * Crisp's event socket, on the sandbox's own server: https://docs.crisp.chat/guides/rtm-api/. Started when somebody
 * first asks where it is, as it needs socket.io, which not every test does.
 */
export function createRelay(admits: (given: Authentication) => boolean) {
	let server: HttpServer | undefined;
	let started: Promise<string> | undefined;
	let io: Server | undefined;
	/** What each connection has subscribed to, once it is let in. */
	const subscriptions = new Map<Socket, Set<string>>();
	const changed = new EventTarget();

	function greet(socket: Socket): void {
		socket.on("authentication", (given: Authentication) => {
			if (!admits(given ?? {})) {
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
		const address = server?.address();
		if (!server || !address || typeof address === "string") throw new Error("The sandbox does not listen");
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
					throw new Error(`Nobody has subscribed to ${event} in ${timeoutMs} ms`, { cause });
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
		attach(to: HttpServer): void {
			server = to;
		},
		/** Where it is; rejects where socket.io is missing. */
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
