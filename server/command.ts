import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type CheckedConfig, ConfigError, loadConfig, unknownVariables } from "./config.ts";
import { StoreOpenError } from "./outbox/outbox.ts";
import { serve } from "./serve.ts";

const usage = `eventferry carries your website's events to Crisp, HelpCrunch and Vibetrace.

  eventferry serve [--port 8788] [--host 127.0.0.1] [--config FILE] [--store URL] [--sandbox]
      starts the proxy; --sandbox needs no credentials: it delivers to simulated providers
      and shows a small shop to try
  eventferry check [--config FILE] [--json]
      says whether the configuration is right, and what is wrong with it

  eventferry --version

Examples:
  eventferry serve --sandbox
  EVENTFERRY_WRITE_KEY=site_shop EVENTFERRY_ORIGINS=https://shop.example \\
    CRISP_WEBSITE_ID=… CRISP_IDENTIFIER=… CRISP_KEY=… eventferry serve

Environment (each also as NAME_FILE, a file that holds the value):
  PORT HOST EVENTFERRY_WRITE_KEY EVENTFERRY_ORIGINS EVENTFERRY_SERVER_KEY EVENTFERRY_ADMIN_TOKEN
  EVENTFERRY_IDENTITY EVENTFERRY_IDENTITY_SECRET EVENTFERRY_TRUST_PROXY EVENTFERRY_STORE EVENTFERRY_LOG_LEVEL
  CRISP_WEBSITE_ID CRISP_IDENTIFIER CRISP_KEY CRISP_TIER CRISP_BASE_URL
  HELPCRUNCH_API_KEY HELPCRUNCH_BASE_URL VIBETRACE_API_KEY VIBETRACE_BASE_URL

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.
`;

/** Wrong words on the command line. */
class UsageError extends Error {
	override readonly name = "UsageError";
	readonly code = "usage";
}

const out = (text: string) => void process.stdout.write(text);
const err = (text: string) => void process.stderr.write(text);

/** The package's version; its package.json is one folder up from the source, two from the build. */
function version(): string {
	const url = new URL(import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json", import.meta.url);
	return JSON.parse(readFileSync(url, "utf8")).version;
}

const options = {
	port: { type: "string" },
	host: { type: "string" },
	config: { type: "string" },
	store: { type: "string" },
	sandbox: { type: "boolean" },
	json: { type: "boolean" },
	help: { type: "boolean", short: "h" },
	version: { type: "boolean", short: "v" },
} as const;

function parse(args: string[]) {
	try {
		const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
		return { ...values, command: positionals[0], rest: positionals.slice(1) };
	} catch (cause) {
		throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
	}
}

type Arguments = ReturnType<typeof parse>;

const overridesOf = ({ port, host, store }: Arguments): Record<string, unknown> => ({
	...(port !== undefined && { port: /^\d+$/.test(port) ? Number(port) : port }),
	...(host !== undefined && { host }),
	...(store !== undefined && { store }),
});

function warnOfUnknownVariables(): void {
	for (const { name, meant } of unknownVariables()) {
		err(`eventferry: ${name} is not one of its variables${meant ? `: is it ${meant}?` : ""}\n`);
	}
}

async function check(given: Arguments): Promise<number> {
	const config: CheckedConfig = await loadConfig({ file: given.config, overrides: overridesOf(given) });
	const sites = config.sites.map((site) => ({
		writeKey: site.writeKey,
		origins: site.origins,
		destinations: (["crisp", "helpcrunch", "vibetrace"] as const).filter((name) => site[name]),
	}));
	if (given.json) out(`${JSON.stringify({ ok: true, store: config.store, sites })}\n`);
	else {
		out(`the configuration is right; events are stored in ${config.store}\n`);
		for (const { writeKey, origins, destinations } of sites) {
			out(`  ${writeKey}: from ${origins.join(", ")} to ${destinations.join(", ")}\n`);
		}
	}
	return 0;
}

/** Runs one command; resolves to its exit code. Explains itself on stderr, never with a secret. */
export async function run(args: string[]): Promise<number> {
	let json = false;
	try {
		const given = parse(args);
		json = given.json ?? false;
		if (given.help || given.command === "help") {
			out(usage);
			return 0;
		}
		if (given.version) {
			out(`${version()}\n`);
			return 0;
		}
		if (given.rest.length > 0) throw new UsageError(`${given.command} takes no "${given.rest[0]}"`);
		switch (given.command) {
			case "serve": {
				warnOfUnknownVariables();
				if (given.sandbox && given.config !== undefined) {
					throw new UsageError("--sandbox brings its own configuration: leave --config out");
				}
				return await serve({ file: given.config, overrides: overridesOf(given), sandbox: given.sandbox ?? false });
			}
			case "check":
				warnOfUnknownVariables();
				return await check(given);
			case undefined:
				throw new UsageError("which command? see eventferry --help");
			default:
				throw new UsageError(`there is no command "${given.command}": see eventferry --help`);
		}
	} catch (error) {
		if (json && error instanceof ConfigError) out(`${JSON.stringify({ ok: false, mistakes: error.mistakes })}\n`);
		if (error instanceof ConfigError || error instanceof UsageError) {
			err(`eventferry: ${error.message}\n`);
			return 2;
		}
		const port = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
		const message = port ? "the port is taken: choose another with --port, or 0 for any free one" : String(error);
		err(`eventferry: ${error instanceof StoreOpenError ? error.message : message}\n`);
		return 1;
	}
}
