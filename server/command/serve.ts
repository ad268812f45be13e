import { once } from "node:events";
import { configVariables, loadConfig, storeUrl, unknownVariables } from "../config/config.ts";
import { openOutbox } from "../outbox/open.ts";
import { type Arguments, type Command, UsageError } from "./command.ts";
import { err, wrapped } from "./print.ts";

/** Options of the command line that override the environment and the file. */
export const overridesOf = ({ port, host, store }: Arguments): Record<string, unknown> => ({
	...(port !== undefined && { port: /^\d+$/.test(port) ? Number(port) : port }),
	...(host !== undefined && { host }),
	...(store !== undefined && { store }),
});

export function warnOfUnknownVariables(): void {
	for (const { name, meant } of unknownVariables()) {
		err(`eventferry: ${name} is no variable of eventferry${meant ? `: is ${meant} meant?` : ""}\n`);
	}
}

export const variablesHelp = `Variables, each also as NAME_FILE, a file that contains the value:
${wrapped(configVariables)}`;

export const serveExamples = `Examples:
  eventferry serve --sandbox
  EVENTFERRY_WRITE_KEY=site_shop EVENTFERRY_ORIGINS=https://shop.example \\
    CRISP_WEBSITE_ID=… CRISP_IDENTIFIER=… CRISP_KEY=… eventferry serve
`;

/** Starts the sandbox, and configures a proxy for it. Ignores configuration files and the variables of real accounts. */
async function sandboxSetup(overrides: Record<string, unknown>) {
	const [{ startSandbox }, { sandboxPage, sandboxWords }] = await Promise.all([
		import("../sandbox/index.ts"),
		import("../sandbox/page.ts"),
	]);
	const sandbox = await startSandbox();
	const accounts = Object.entries(sandbox.destinations).map(([name, account]) => [`sites.0.${name}`, account]);
	const config = await loadConfig({
		file: false,
		accounts: false,
		defaults: { store: "sqlite:./eventferry-sandbox.db", logLevel: "warn", sites: [{ writeKey: "site_sandbox" }] },
		overrides: { ...overrides, sandbox: true, ...Object.fromEntries(accounts) },
	}).catch(async (error) => {
		await sandbox.stop();
		throw error;
	});
	const page = sandboxPage({ sandbox, writeKey: config.sites[0]?.writeKey ?? "" });
	return { config, routers: [page], words: sandboxWords, stop: () => sandbox.stop() };
}

/** Runs the proxy until a signal. The store opens, in its thread, while the other parts of the proxy are loaded. */
async function serveWith(given: Arguments): Promise<number> {
	const stopped = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
	const overrides = overridesOf(given);
	const setup = given.sandbox
		? await sandboxSetup(overrides)
		: {
				config: await loadConfig({ file: given.config, overrides }),
				routers: [],
				words: () => "",
				stop: async () => {},
			};
	const { store, maxStoreBytes } = setup.config;
	const opening = openOutbox(storeUrl(store), { maxBytes: maxStoreBytes });
	// The proxy tells of a failure when it starts.
	opening.catch(() => {});
	try {
		const { serve } = await import("../serve.ts");
		return await serve({ ...setup, opening, stopped });
	} finally {
		await opening.then(
			(outbox) => outbox.close(),
			() => {},
		);
	}
}

export const serveCommand: Command = {
	name: "serve",
	summary: "starts the proxy; --sandbox needs no credentials",
	options: ["port", "host", "config", "store", "sandbox", "help"],
	help: `Prints one line when it is ready: eventferry listening on http://127.0.0.1:8788
On SIGTERM it refuses new requests, finishes others (within 10 s), and ends.

${serveExamples}
${variablesHelp}`,
	async run(given) {
		warnOfUnknownVariables();
		if (given.sandbox && given.config !== undefined) {
			throw new UsageError("--sandbox brings its own configuration: leave --config out");
		}
		return serveWith(given);
	},
};
