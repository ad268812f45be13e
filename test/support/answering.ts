import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { listen } from "../bench/listen.ts";

/** Starts a server with this listener on a free loopback port. */
export async function answering(listener: RequestListener): Promise<{ url: string; close(): Promise<void> }> {
	const server = createServer(listener);
	return {
		url: await listen(server),
		async close() {
			const closed = once(server, "close");
			server.close();
			server.closeAllConnections();
			await closed;
		},
	};
}

/** Returns a URL at which no server listens. */
export async function nowhere(): Promise<string> {
	const { url, close } = await answering(() => {});
	await close();
	return url;
}
