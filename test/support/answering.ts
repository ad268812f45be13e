import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { listen } from "../bench/listen.ts";

/** A server on a free loopback port that answers so. */
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

/** A URL where nobody answers. */
export async function nowhere(): Promise<string> {
	const { url, close } = await answering(() => {});
	await close();
	return url;
}
