import { readFileSync } from "node:fs";
import type * as z from "zod";
import { plainIssue } from "../../shared/plain-issue.ts";
import { withTlsOf } from "../outbox/postgres/tls.ts";
import { sqliteFile } from "../outbox/store-url.ts";
import { isRecord } from "../providers/json.ts";
import { ConfigError, type Mistake } from "./config-error.ts";
import { readConfigFile } from "./config-file.ts";
import { isPlaceholder, placeholderMessage, placeholdersIn } from "./placeholder.ts";
import { type CheckedConfig, type Config, configSchema, storeSchema } from "./schema.ts";
import { nameOf, unknownNames, type Variable, variables } from "./variables.ts";
import { findWarnings } from "./warnings.ts";

export { ConfigError } from "./config-error.ts";
export type { CheckedConfig, CheckedSite, Config } from "./schema.ts";
export { accountVariables, configVariables, credentialVariables } from "./variables.ts";

type Environment = Record<string, string | undefined>;

/** Lets an editor check a configuration file: `export default defineConfig({ … })`. */
export const defineConfig = (config: Config): Config => config;

const asRecord = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {});

const property = (value: unknown, name: string): unknown => asRecord(value)[name];

const sitesIn = (config: unknown): unknown[] => {
	const { sites } = asRecord(config);
	return Array.isArray(sites) ? sites : [];
};

/**
 * A copy of `target` with `value` at the path. Lists and objects on the way are created if they are missing; what has
 * another shape stays as it is, to be reported.
 */
function withValue(target: unknown, [key = "", ...rest]: string[], value: unknown): unknown {
	const inner = (current: unknown) => (rest.length === 0 ? value : withValue(current, rest, value));
	const isIndex = /^\d+$/.test(key);
	if (target !== undefined && !(isIndex ? Array.isArray(target) : isRecord(target))) return target;
	if (isIndex) {
		const list = Array.isArray(target) ? [...target] : [];
		list[Number(key)] = inner(list[Number(key)]);
		return list;
	}
	const record = asRecord(target);
	return { ...record, [key]: inner(record[key]) };
}

/** Messages for mistakes that a schema leaves without one. */
const defaultMessage: z.core.$ZodErrorMap = (issue) => {
	if (issue.code === "unrecognized_keys") return `has no option ${issue.keys.map((key) => `"${key}"`).join(", ")}`;
	return plainIssue(issue);
};

/** Checks a configuration and fills in its defaults. Throws a {@link ConfigError} of all mistakes. */
export function checkConfig(config: unknown, { needsDestination = false } = {}): CheckedConfig {
	const sandbox = asRecord(config).sandbox === true;
	// Compiling the schema would take longer than its only use.
	const use = { error: defaultMessage, jitless: true };
	const result = configSchema({ sandbox, needsDestination }).safeParse(config, use);
	const placeholders = placeholdersIn(config).map((path) => ({ path, message: placeholderMessage }));
	if (result.success && placeholders.length === 0) return result.data;
	const siteCount = sitesIn(config).length;
	const places = new Set(placeholders.map(({ path }) => path.join(".")));
	const others = result.error?.issues.filter(({ path }) => !places.has(path.join("."))) ?? [];
	throw new ConfigError(
		[...placeholders, ...others].map(({ path, message }) => {
			const place = path.join(".");
			// Only the whole list has a variable.
			const [, list, entry] = /^(.*\.(?:origins|identitySecrets|events))\.(\d+)$/.exec(place) ?? [];
			if (list === undefined) return { name: nameOf(place, siteCount), message };
			return { name: nameOf(list, siteCount), message: `entry ${Number(entry) + 1} ${message}` };
		}),
	);
}

/** Finds variables that are probably misspelt, each with the one that was probably meant. */
export const unknownVariables = (env: Environment = process.env) => unknownNames(Object.keys(env));

/**
 * Reads a variable, or else the file that `NAME_FILE` names. Empty text counts as unset, because compose files contain
 * lines like `CRISP_KEY=`. Throws {@link ConfigError} if the file cannot be read.
 */
function readVariable(name: string, env: Environment = process.env): string | undefined {
	const file = env[`${name}_FILE`];
	if (env[name] || !file) return env[name] || undefined;
	try {
		return readFileSync(file, "utf8").trim() || undefined;
	} catch (cause) {
		throw new ConfigError([{ name: `${name}_FILE`, message: "names a file that cannot be read" }], { cause });
	}
}

/** Adds the mistakes of a {@link ConfigError} to a list. Throws any other error. */
function addMistakes(mistakes: Mistake[], error: unknown): void {
	if (!(error instanceof ConfigError)) throw error;
	mistakes.push(...error.mistakes);
}

/** Reads a variable of a command. Throws {@link ConfigError} for a placeholder too. */
export function readOwn(name: string): string | undefined {
	const value = readVariable(name);
	if (value !== undefined && isPlaceholder(value, name)) throw new ConfigError([{ name, message: placeholderMessage }]);
	return value;
}

export interface LoadOptions {
	/** Configuration file; `false` for none. Default `eventferry.config.mjs` or `.json` in the working folder. */
	file?: string | false | undefined;
	/** Default `process.env`. */
	env?: Environment;
	/** Whether variables of accounts are read; default true. */
	accounts?: boolean;
	/** Configuration to start from if `file` is `false`. */
	defaults?: Record<string, unknown>;
	/** Values from code, by path: `{ port: 0, "sites.0.writeKey": "site_x" }`. */
	overrides?: Record<string, unknown>;
}

/** Merges values from a file, the environment and code; later ones win. Does not check the result. */
async function gather({ file, env = process.env, accounts = true, defaults = {}, overrides = {} }: LoadOptions) {
	const fileMistakes: Mistake[] = [];
	const mistakes: Mistake[] = [];
	let config: unknown = defaults;
	if (file !== false) config = await readConfigFile(file).catch((error) => addMistakes(fileMistakes, error));
	const settings: (Variable & { value: unknown })[] = [];
	for (const variable of variables) {
		if (variable.account !== undefined && !accounts) continue;
		try {
			const text = readVariable(variable.name, env);
			const value = text === undefined ? undefined : variable.convert(text);
			if (value !== undefined) settings.push({ ...variable, value });
		} catch (error) {
			addMistakes(mistakes, error);
		}
	}
	const sites = sitesIn(config);
	/** Whether the site has the account; else its base URL and budget in the environment are ignored. */
	const hasAccount = (account: string) =>
		account.split(".").reduce(property, sites[0]) !== undefined ||
		settings.some((each) => each.account === account && each.isCredential);
	for (const { name, path, account, value } of settings) {
		if (account !== undefined && !hasAccount(account)) continue;
		if (path.startsWith("sites.") && sites.length > 1) {
			mistakes.push({ name, message: "is for one site, but the configuration file has several: set it there" });
		} else config = withValue(config, path.split("."), value);
	}
	for (const [path, value] of Object.entries(overrides)) config = withValue(config, path.split("."), value);
	if (asRecord(config).sites === undefined) config = withValue(config, ["sites", "0"], {});
	return { config, settings, mistakes, fileMistakes };
}

/** Loads the configuration from a file, the environment and code. Rejects with a {@link ConfigError} of all mistakes. */
export async function loadConfig(options: LoadOptions = {}): Promise<CheckedConfig> {
	const { config, settings, mistakes, fileMistakes } = await gather(options);
	try {
		const checked = checkConfig(config, { needsDestination: true });
		if (mistakes.length === 0 && fileMistakes.length === 0) return checked;
	} catch (error) {
		if (!(error instanceof ConfigError)) throw error;
		// Options that seem to be missing may be in the unreadable file, so only mistakes in variables are reported.
		const isSet = ({ name }: Mistake) => settings.some((setting) => setting.name === name);
		mistakes.push(...(fileMistakes.length > 0 ? error.mistakes.filter(isSet) : error.mistakes));
	}
	throw new ConfigError([...fileMistakes, ...mistakes]);
}

/** Warnings about a valid configuration, one line each. They contain no secret. */
export const warningsOf = (config: CheckedConfig, env: Environment = process.env): string[] =>
	findWarnings({ ...config, store: storeUrl(config.store, env) });

/** Adds to a store's URL what the environment says of TLS to a database. */
export const storeUrl = (store: string, env: Environment = process.env): string =>
	sqliteFile(store) === undefined ? withTlsOf(env, store) : store;

/** Loads only the write keys, from a configuration that may otherwise be wrong. Rejects with {@link ConfigError}. */
export async function loadWriteKeys(options: LoadOptions = {}): Promise<string[]> {
	const { config, mistakes, fileMistakes } = await gather(options);
	if (fileMistakes.length > 0 || mistakes.length > 0) throw new ConfigError([...fileMistakes, ...mistakes]);
	const keys = sitesIn(config)
		.map((site) => asRecord(site).writeKey)
		.filter((key) => typeof key === "string");
	const unset = keys.findIndex((key) => isPlaceholder(key));
	if (unset < 0) return keys;
	throw new ConfigError([{ name: nameOf(`sites.${unset}.writeKey`, keys.length), message: placeholderMessage }]);
}

/** Loads only the store's URL, from a configuration that may otherwise be wrong. Rejects with {@link ConfigError}. */
export async function loadStore(options: LoadOptions = {}): Promise<string> {
	const { config, mistakes, fileMistakes } = await gather({ ...options, accounts: false });
	const { data, error } = storeSchema.safeParse(asRecord(config).store, { error: defaultMessage });
	const wrong = error?.issues.map(({ message }) => ({ name: nameOf("store", 1), message })) ?? [];
	const all = [...fileMistakes, ...mistakes, ...wrong];
	if (data === undefined || all.length > 0) throw new ConfigError(all);
	return data;
}
