import { once } from "node:events";
import { createServer } from "node:http";
import { isIP } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Router } from "express";
import { type CheckedConfig, loadConfig } from "./config/config.ts";
import { hiding } from "./observe/hiding.ts";
import { createLog } from "./observe/log.ts";
import { createProxy } from "./proxy.ts";
import { createApp } from "./router.ts";
import { startSandbox } from "./sandbox/index.ts";
import { sandboxPage } from "./sandbox/page.ts";

/** What is in flight when a stop is asked for has this long: containers are killed after 10 s. */
const graceMs = 9_000;
/** How long answers that are written are given to leave. */
const flushMs = 500;

/**
 * How long a client may take, ms: for its headers, for its whole request (the snippet gives up after 10 s), and between
 * two requests (load balancers keep theirs for a minute). What is late is closed within two seconds.
 */
const patience = {
	headersTimeout: 10_000,
	requestTimeout: 15_000,
	keepAliveTimeout: 65_000,
	connectionsCheckingInterval: 2_000,
};

interface ServeOptions {
	file: string | undefined;
	overrides: Record<string, unknown>;
	sandbox: boolean;
}

/** The configuration of `--sandbox`: real credentials and configuration files are not looked at. */
async function sandboxSetup(overrides: Record<string, unknown>) {
	const sandbox = await startSandbox();
	const config = await loadConfig({
		file: false,
		ignore: /^(CRISP|HELPCRUNCH|VIBETRACE)_/,
		defaults: { store: "sqlite:./eventferry-sandbox.db", logLevel: "warn", sites: [{ writeKey: "site_sandbox" }] },
		overrides: {
			...overrides,
			sandbox: true,
			"sites.0.crisp": sandbox.destinations.crisp,
			"sites.0.helpcrunch": sandbox.destinations.helpcrunch,
			"sites.0.vibetrace": sandbox.destinations.vibetrace,
		},
	}).catch(async (error) => {
		await sandbox.stop();
		throw error;
	});
	const page = sandboxPage({ sandbox, writeKey: config.sites[0]?.writeKey ?? "" });
	return { config, routers: [page], stop: () => sandbox.stop() };
}

async function setup({ file, overrides, sandbox }: ServeOptions): Promise<{
	config: CheckedConfig;
	routers: Router[];
	stop(): Promise<void>;
}> {
	if (sandbox) return sandboxSetup(overrides);
	return { config: await loadConfig({ file, overrides }), routers: [], stop: async () => {} };
}

/**
 * `eventferry serve`: listens, says so in one line on stdout, and delivers until SIGTERM or SIGINT. Then
 * the listener closes first, what is in flight finishes, the store closes last; resolves to 0.
 */
export async function serve(options: ServeOptions): Promise<number> {
	const stopped = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
	const { config, routers, stop } = await setup(options);
	const log = createLog(config.logLevel, { hide: hiding(config) });
	process.on("uncaughtException", (error) => {
		// What Node would print holds all that hangs on the error, as a request with its headers may.
		log.fatal({ err: error }, "ended by an error that nobody handled; what was accepted is on disk");
		process.exit(1);
	});
	const proxy = createProxy(config);
	try {
		await proxy.start();
		const server = createServer(
			patience,
			createApp([...routers, proxy.router], (error) => log.error({ err: error }, "unforeseen")),
		);
		server.listen(config.port, config.host);
		await once(server, "listening");
		const address = server.address();
		const port = typeof address === "object" && address ? address.port : config.port;
		const host = isIP(config.host) === 6 ? `[${config.host}]` : config.host;
		process.stdout.write(`eventferry listening on http://${host}:${port}\n`);

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
