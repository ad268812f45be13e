import { once } from "node:events";
import { createServer, type Server } from "node:http";
import express from "express";
import { type Config, createProxy, type EventProxy } from "../../server/index.ts";

/** Running proxy of the shop, on a store that outlives it. */
export interface RunningShop {
	/** URL of the server, without the path of the proxy. */
	url: string;
	stop(): Promise<void>;
}

const graceMs = 10_000;

/** Starts the real proxy in an app of its own on a free port. */
export async function startShop(config: Config): Promise<RunningShop> {
	const proxy: EventProxy = createProxy(config);
	await proxy.start();
	const server: Server = createServer(express().use("/ferry", proxy.router)).listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	if (address === null || typeof address === "string") throw new Error("the shop has no port");
	return {
		url: `http://127.0.0.1:${address.port}`,
		/** Stops like `eventferry serve`: the listener first, then requests in flight, then the store. */
		async stop() {
			const closed = once(server, "close");
			server.close();
			await proxy.stop(graceMs);
			server.closeAllConnections();
			await closed;
		},
	};
}
