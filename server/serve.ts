import { once } from "node:events";
import { createServer } from "node:http";
import { isIP } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Router } from "express";
import type { CheckedConfig } from "./config/config.ts";
import { currentDestination } from "./destinations/call.ts";
import { placeOf } from "./destinations/clean.ts";
import { boundConnections } from "./http/connections.ts";
import { inTurn } from "./http/in-turn.ts";
import { hiding } from "./observe/hiding.ts";
import { createLog } from "./observe/log.ts";
import { createFaultLog, kindOfError } from "./observe/notice-log.ts";
import { collectOnce } from "./outbox/collect.ts";
import type { Outbox } from "./outbox/outbox.ts";
import { createProxyOn } from "./proxy.ts";
import { createApp } from "./router.ts";

/** Time for requests under way to finish after SIGTERM, ms. Container runtimes kill after 10 s. */
const graceMs = 9_000;
/** Time for written answers to reach their clients before connections are closed, ms. */
const flushMs = 500;

/**
 * Time limits for clients, ms: for the headers, for the whole request (the snippet gives up after 10 s), and idle
 * between two requests (load balancers keep connections open for a minute). Connections over a limit are closed
 * within two seconds.
 */
// Guard (SECURITY.md): client-timeouts
const patience = {
	headersTimeout: 10_000,
	requestTimeout: 15_000,
	keepAliveTimeout: 65_000,
	connectionsCheckingInterval: 2_000,
};

/** Parts of `eventferry serve` that the command prepares. */
export interface Setup {
	config: CheckedConfig;
	/** The configuration's store, which is being opened. */
	opening: Promise<Outbox>;
	/** Resolves with the signal to stop. */
	stopped: Promise<unknown>;
	/** Routers to serve before the proxy's. */
	routers: Router[];
	/** Text for stderr about the proxy at a URL, once it listens. */
	words(url: string): string;
	/** Ends what was started for the proxy. */
	stop(): Promise<void>;
}

/**
 * Listens, prints one line on stdout, and delivers until the signal to stop. Then stops listening, finishes the requests
 * under way, closes the store, and resolves to 0.
 */
export async function serve({ config, opening, stopped, routers, words, stop }: Setup): Promise<number> {
	const log = createLog(config.logLevel, { hide: hiding(config) });
	// Guard (SECURITY.md): unhandled-errors
	process.on("uncaughtException", (error) => {
		const destination = currentDestination();
		if (destination !== undefined) {
			log.error({ destination, error: placeOf(error) }, "a destination's function left an error that nobody handled");
			return;
		}
		// Node would print every property of the error, which may include a request with its headers.
		log.fatal({ err: error }, "stopped by an error that nobody handled; accepted events are on disk");
		process.exit(1);
	});
	const proxy = createProxyOn(config, () => opening);
	try {
		await proxy.start();
		const logFault = createFaultLog(log, Date.now);
		const onFault = (error: unknown) => logFault("unexpected error", { err: error }, kindOfError(error));
		const app = createApp([...routers, proxy.router], onFault);
		const server = createServer(patience, (request, response) =>
			inTurn(request, response, () => app(request, response)),
		);
		boundConnections(server);
		server.listen(config.port, config.host);
		await once(server, "listening");
		const address = server.address();
		const port = typeof address === "object" && address ? address.port : config.port;
		const host = isIP(config.host) === 6 ? `[${config.host}]` : config.host;
		const url = `http://${host}:${port}`;
		process.stdout.write(`eventferry listening on ${url}\n`);
		process.stderr.write(words(url));
		collectOnce();

		await stopped;
		const closed = once(server, "close");
		server.close();
		await proxy.stop(graceMs);
		await stop();
		await Promise.race([closed, delay(flushMs, undefined, { ref: false })]);
		server.closeAllConnections();
		await closed;
		return 0;
	} finally {
		await proxy.stop(0);
		await stop();
	}
}
