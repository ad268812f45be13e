import type { Server } from "node:http";
import type { Socket } from "node:net";
import { networkOf } from "./rate-limit.ts";

/** Maximum number of connections that are open at the same time. */
// Guard (SECURITY.md): connections-most
const connectionsMost = 4_000;

/**
 * Bounds a server's open connections. A new one is always accepted. If that is too many, the address with the most
 * connections loses the one that has sent no request for the longest time.
 */
export function boundConnections(server: Server): void {
	const byNetwork = new Map<string, Set<Socket>>();
	const networks = new WeakMap<Socket, Set<Socket>>();
	let open = 0;

	server.on("connection", (socket) => {
		const network = networkOf(socket.remoteAddress ?? "");
		const own = byNetwork.get(network) ?? new Set();
		byNetwork.set(network, own.add(socket));
		networks.set(socket, own);
		open += 1;
		const leave = () => {
			if (!own.delete(socket)) return;
			open -= 1;
			if (own.size === 0) byNetwork.delete(network);
		};
		socket.once("close", leave);
		if (open <= connectionsMost) return;
		const largest = [...byNetwork.values()].reduce((most, each) => (each.size > most.size ? each : most));
		const [longestIdle] = largest;
		longestIdle?.destroy();
	});
	server.prependListener("request", ({ socket }) => {
		const own = networks.get(socket);
		// Sets keep the order in which members were added: the longest unused connection stays first.
		if (own?.delete(socket)) own.add(socket);
	});
}
