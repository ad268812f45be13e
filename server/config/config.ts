import { readFileSync } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type CheckedConfig, type Config, configSchema, hasDestination } from "./schema.ts";

export { type CheckedConfig, type CheckedSite, type Config, destinationNames } from "./schema.ts";

type Environment = Record<string, string | undefined>;

/**
 * Which variable sets what. Site and destination variables are for the one site of a configuration.
 * Every one can also be given as `NAME_FILE`, the file that holds the value.
 */
const variables = {
	PORT: "port",
	HOST: "host",
	EVENTFERRY_STORE: "store",
	EVENTFERRY_ADMIN_TOKEN: "adminToken",
	EVENTFERRY_TRUST_PROXY: "trustProxy",
	EVENTFERRY_LOG_LEVEL: "logLevel",
	EVENTFERRY_WRITE_KEY: "sites.0.writeKey",
	EVENTFERRY_ORIGINS: "sites.0.origins",
	EVENTFERRY_SERVER_KEY: "sites.0.serverKey",
	EVENTFERRY_IDENTITY: "sites.0.identity",
	EVENTFERRY_IDENTITY_SECRET: "sites.0.identitySecrets",
	CRISP_WEBSITE_ID: "sites.0.crisp.websiteId",
	CRISP_IDENTIFIER: "sites.0.crisp.identifier",
	CRISP_KEY: "sites.0.crisp.key",
	CRISP_TIER: "sites.0.crisp.tier",
	CRISP_BASE_URL: "sites.0.crisp.baseUrl",
	CRISP_DAILY_BUDGET: "sites.0.crisp.budget",
	CRISP_HOOK_SECRET: "sites.0.crisp.hookSecret",
	CRISP_HOOK_KEY: "sites.0.crisp.hookKey",
	HELPCRUNCH_API_KEY: "sites.0.helpcrunch.apiKey",
	HELPCRUNCH_BASE_URL: "sites.0.helpcrunch.baseUrl",
	HELPCRUNCH_MINUTE_BUDGET: "sites.0.helpcrunch.budget",
	HELPCRUNCH_HOOK_SECRET: "sites.0.helpcrunch.hookSecret",
	VIBETRACE_API_KEY: "sites.0.vibetrace.apiKey",
	VIBETRACE_BASE_URL: "sites.0.vibetrace.baseUrl",
	VIBETRACE_SECOND_BUDGET: "sites.0.vibetrace.budget",
} as const;

/** The variables that can be set, for whoever asks for help: those of the configuration, and the command's own. */
export const configVariables = [...Object.keys(variables), "EVENTFERRY_URL"];

/** What says of an account who we are there and where it is: what to look at when it does not answer as it should. */
export const accountVariables = (destination: string): string[] =>
	Object.entries(variables)
		.filter(
			([, place]) => place.startsWith(`sites.0.${destination}.`) && !/\.(?:budget|hookSecret|hookKey)$/.test(place),
		)
		.map(([name]) => name);

/** How a variable's text becomes a value; text that does not fit is left for the schema to refuse. */
const wholeNumber = (text: string) => (/^\d+$/.test(text) ? Number(text) : text);
const yesOrNo = new Map([
	["true", true],
	["false", false],
]);
const listed = (text: string) =>
	text
		.split(",")
		.map((entry) => entry.trim())
		.filter(Boolean);
const readings: Partial<Record<keyof typeof variables, (text: string) => unknown>> = {
	PORT: wholeNumber,
	CRISP_DAILY_BUDGET: wholeNumber,
	HELPCRUNCH_MINUTE_BUDGET: wholeNumber,
	VIBETRACE_SECOND_BUDGET: wholeNumber,
	EVENTFERRY_TRUST_PROXY: (text) => yesOrNo.get(text) ?? wholeNumber(text),
	EVENTFERRY_ORIGINS: listed,
	EVENTFERRY_IDENTITY_SECRET: listed,
};

/** Every mistake of a configuration at once. Holds names and what would be right, never a value. */
export class ConfigError extends Error {
	override readonly name = "ConfigError";
	readonly code = "invalid_config";
	readonly mistakes: { name: string; message: string }[];
	constructor(mistakes: { name: string; message: string }[], options?: ErrorOptions) {
		const lines = mistakes.map(({ name, message }) => `  ${name} ${message}`);
		super(
			`${mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`} in the configuration:\n${lines.join("\n")}`,
			options,
		);
		this.mistakes = mistakes;
	}
}

/** Types a configuration file: `export default defineConfig({ … })`. */
export const defineConfig = (config: Config): Config => config;

const asRecord = (value: unknown): Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};

/** A copy of `target` with `value` at the path; lists and objects on the way are made where missing. */
function withValue(target: unknown, [key = "", ...rest]: string[], value: unknown): unknown {
	const inner = (current: unknown) => (rest.length === 0 ? value : withValue(current, rest, value));
	if (/^\d+$/.test(key)) {
		const list = Array.isArray(target) ? [...target] : [];
		list[Number(key)] = inner(list[Number(key)]);
		return list;
	}
	const record = asRecord(target);
	return { ...record, [key]: inner(record[key]) };
}

/** A mistake's name as its reader knows it: the variable if one sets that place, else the path. */
function nameOf(path: string, sites: number): string {
	if (path === "sites.0.destinations" && sites <= 1) return "destinations";
	const variable = Object.entries(variables).find(([, place]) => place === path)?.[0];
	if (path === "") return "the configuration";
	return variable !== undefined && sites <= 1 ? variable : path.replace(/\.(\d+)/g, "[$1]");
}

/** Checks a configuration and fills in its defaults. Throws {@link ConfigError} with every mistake. */
export function checkConfig(config: unknown, { needsDestination = false } = {}): CheckedConfig {
	const { sandbox, sites } = asRecord(config);
	const result = configSchema({ sandbox: sandbox === true, needsDestination }).safeParse(config);
	if (result.success) return result.data;
	const count = Array.isArray(sites) ? sites.length : 0;
	throw new ConfigError(
		result.error.issues.map(({ path, message }) => {
			// A list's mistake is the variable's that holds the list.
			const place = path.join(".");
			const [, list, entry] = /^(.*\.(?:origins|identitySecrets))\.(\d+)$/.exec(place) ?? [];
			if (list === undefined) return { name: nameOf(place, count), message };
			return { name: nameOf(list, count), message: `entry ${Number(entry) + 1} ${message}` };
		}),
	);
}

async function readConfigFile(file: string | undefined): Promise<unknown> {
	let path = file;
	for (const name of ["eventferry.config.mjs", "eventferry.config.json"]) {
		path ??= await access(name).then(
			() => name,
			() => undefined,
		);
	}
	if (path === undefined) return {};
	try {
		if (extname(path) === ".json") return JSON.parse(await readFile(path, "utf8"));
		const { default: config } = await import(pathToFileURL(resolve(path)).href);
		if (config === undefined) throw new TypeError("it has no default export");
		return config;
	} catch (error) {
		throw new ConfigError([{ name: path, message: `cannot be used: ${whyUnreadable(error, extname(path))}` }]);
	}
}

/** Why a file could not be read. JSON's own messages quote the text, which may hold a key: only the place is told. */
function whyUnreadable(error: unknown, extension: string): string {
	if (!(error instanceof Error)) return "it does not say why";
	if ("code" in error && error.code === "ENOENT") return "there is no such file";
	// The engine's own words hold no values; those of whoever wrote the file might.
	const isEngines = error instanceof SyntaxError || error instanceof TypeError || error instanceof ReferenceError;
	if (extension !== ".json")
		return isEngines || "code" in error ? error.message : `it throws ${error.name}${lineOf(error)}`;
	const [place] = /(?:line \d+ column \d+|position \d+)/.exec(error.message) ?? [];
	return `it is not JSON${place ? `, see ${place}` : ""}`;
}

/** Where an error was thrown, as far as its stack tells. */
function lineOf({ stack }: Error): string {
	const [, line] = /\.mjs[^:]*:(\d+):\d+/.exec(stack ?? "") ?? [];
	return line === undefined ? "" : ` at line ${line}`;
}

/** Variables that look like ours and are not, as they are mistyped: with the one that was meant, if it is plain. */
export function unknownVariables(env: Environment = process.env): { name: string; meant: string | undefined }[] {
	const plain = (name: string) => name.replaceAll("_", "").replace(/S$/, "");
	return Object.keys(env)
		.filter((name) => /^(EVENTFERRY|CRISP|HELPCRUNCH|VIBETRACE)_/.test(name))
		.filter((name) => !configVariables.includes(name.replace(/_FILE$/, "")))
		.map((name) => ({ name, meant: configVariables.find((each) => plain(each) === plain(name)) }));
}

/**
 * A variable's text, else that of the file which `NAME_FILE` names; an empty one is an unset one, as in a compose
 * file with `CRISP_KEY=`. Throws {@link ConfigError} when the file cannot be read.
 */
export function readVariable(name: string, env: Environment = process.env): string | undefined {
	const file = env[`${name}_FILE`];
	if (env[name] || !file) return env[name] || undefined;
	try {
		return readFileSync(file, "utf8").trim() || undefined;
	} catch (cause) {
		throw new ConfigError([{ name: `${name}_FILE`, message: "names a file that cannot be read" }], { cause });
	}
}

function readEnvironment(
	env: Environment,
	ignore: RegExp | undefined,
): {
	found: [keyof typeof variables, unknown][];
	mistakes: ConfigError["mistakes"];
} {
	const found: [keyof typeof variables, unknown][] = [];
	const mistakes: ConfigError["mistakes"] = [];
	for (const name of Object.keys(variables) as (keyof typeof variables)[]) {
		if (ignore?.test(name)) continue;
		try {
			const value = readVariable(name, env);
			if (value !== undefined) found.push([name, readings[name]?.(value) ?? value]);
		} catch (error) {
			if (!(error instanceof ConfigError)) throw error;
			mistakes.push(...error.mistakes);
		}
	}
	return { found, mistakes };
}

/** A destination exists when its credentials do: what else a variable says of one that does not is not looked at. */
function hasCredentials(place: string, found: [keyof typeof variables, unknown][], config: unknown): boolean {
	const [, destination] = /^sites\.0\.(\w+)\.(?:tier|budget|baseUrl|hookSecret|hookKey)$/.exec(place) ?? [];
	if (destination === undefined) return true;
	const isCredential = new RegExp(`^sites\\.0\\.${destination}\\.(websiteId|identifier|key|apiKey)$`);
	const { sites } = asRecord(config);
	const inFile = asRecord(Array.isArray(sites) ? sites[0] : undefined)[destination] !== undefined;
	return inFile || found.some(([name]) => isCredential.test(variables[name]));
}

export interface LoadOptions {
	/** The configuration file; false for none. */
	file?: string | false | undefined;
	env?: Environment;
	/** Variables that are not looked at. */
	ignore?: RegExp;
	/** What a configuration is without a file. */
	defaults?: Record<string, unknown>;
	/** Values from code, by path: `{ port: 0, "sites.0.writeKey": "site_x" }`. */
	overrides?: Record<string, unknown>;
}

/** Code over the environment over a file, not yet checked; with what could not be read, and what the variables say. */
async function gather({ file, env = process.env, ignore, defaults = {}, overrides = {} }: LoadOptions) {
	const unreadable: ConfigError["mistakes"] = [];
	let config =
		file === false
			? defaults
			: await readConfigFile(file).catch((error) => {
					if (!(error instanceof ConfigError)) throw error;
					unreadable.push(...error.mistakes);
					return {};
				});
	const sites = asRecord(config).sites;
	const { found, mistakes } = readEnvironment(env, ignore);
	for (const [name, value] of found) {
		if (!hasCredentials(variables[name], found, config)) continue;
		if (variables[name].startsWith("sites.") && Array.isArray(sites) && sites.length > 1) {
			mistakes.push({ name, message: "is for one site, but the configuration file names several: set it there" });
		} else config = withValue(config, variables[name].split("."), value);
	}
	for (const [path, value] of Object.entries(overrides)) config = withValue(config, path.split("."), value);
	if (asRecord(config).sites === undefined) config = withValue(config, ["sites", "0"], {});
	return { config, found, mistakes, unreadable };
}

/**
 * The configuration from code over the environment over a file (`eventferry.config.mjs` or `.json` in the
 * working folder unless `file` says otherwise). Rejects with {@link ConfigError}.
 */
export async function loadConfig(options: LoadOptions = {}): Promise<CheckedConfig> {
	const { config, found, mistakes, unreadable } = await gather(options);
	try {
		const checked = checkConfig(config, { needsDestination: true });
		if (mistakes.length === 0 && unreadable.length === 0) return checked;
	} catch (error) {
		if (!(error instanceof ConfigError)) throw error;
		// Without the file, what is missing may be in it: only what is there and wrong is told.
		const isSet = ({ name }: { name: string }) => found.some(([each]) => each === name);
		mistakes.push(...(unreadable.length > 0 ? error.mistakes.filter(isSet) : error.mistakes));
	}
	throw new ConfigError([...unreadable, ...mistakes]);
}

/** HS256 wants a key no shorter than its hash: https://www.rfc-editor.org/rfc/rfc7518#section-3.2 */
const secretLength = 32;

/** What is odd in a configuration without being wrong, each in a line; never with a value. */
export function doubts({ sites }: CheckedConfig): string[] {
	return sites.flatMap((site, index) => {
		const named = (field: string) => nameOf(`sites.${index}.${field}`, sites.length);
		const found: string[] = [];
		if (!hasDestination(site)) found.push(`${named("destinations")} has none: events are taken and go nowhere`);
		if (site.identitySecrets?.some((secret) => secret.length < secretLength)) {
			found.push(
				`${named("identitySecrets")} has a secret of less than ${secretLength} characters: who has a token can guess it. Take one from: openssl rand -hex 32`,
			);
		}
		return found;
	});
}

/** The write keys of the sites, whatever else is wrong or missing. Rejects with {@link ConfigError} where they cannot be read. */
export async function loadWriteKeys(options: LoadOptions = {}): Promise<string[]> {
	const { config, mistakes, unreadable } = await gather(options);
	if (unreadable.length > 0 || mistakes.length > 0) throw new ConfigError([...unreadable, ...mistakes]);
	const { sites } = asRecord(config);
	const keys = Array.isArray(sites) ? sites.map((site) => asRecord(site).writeKey) : [];
	return keys.filter((key) => typeof key === "string");
}
