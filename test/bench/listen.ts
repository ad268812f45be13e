import { once } from "node:events";
import type { Server } from "node:http";

/** Listens on a free loopback port; resolves to the URL. */
export async function listen(server: Server): Promise<string> {
	server.keepAliveTimeout = 60_000;
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	if (address === null || typeof address === "string") throw new Error("the server has no port");
	return `http://127.0.0.1:${address.port}`;
}
