import { readFileSync } from "node:fs";
import type * as z from "zod";
import { isRecord } from "../providers/json.ts";
import type { ProviderName } from "../providers/registry.ts";
import { ConfigError, type Mistake } from "./config-error.ts";
import { readConfigFile } from "./config-file.ts";
import { doubtsOf } from "./doubts.ts";
import { type CheckedConfig, type Config, configSchema } from "./schema.ts";
import { nameOf, unknownNames, type Variable, variables } from "./variables.ts";

export { ConfigError } from "./config-error.ts";
export type { CheckedConfig, CheckedSite, Config } from "./schema.ts";
export { accountVariables, configVariables } from "./variables.ts";

type Environment = Record<string, string | undefined>;

/** Types a configuration file: `export default defineConfig({ … })`. */
export const defineConfig = (config: Config): Config => config;

const asRecord = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {});

const sitesIn = (config: unknown): unknown[] => {
	const { sites } = asRecord(config);
	return Array.isArray(sites) ? sites : [];
};

/** A copy of `target` with `value` at the path. Lists and objects on the way are created if they are missing. */
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

const types: Record<string, string> = {
	array: "a list",
	boolean: "true or false",
	number: "a number",
	object: "an object",
	string: "text",
};

/** Words for mistakes that the schemas have no message of their own for. */
const inWords: z.core.$ZodErrorMap = (issue) => {
	if (issue.code === "unrecognized_keys") return `has no option ${issue.keys.map((key) => `"${key}"`).join(", ")}`;
	return issue.code === "invalid_type" ? `must be ${types[issue.expected] ?? issue.expected}` : undefined;
};

/** Checks a configuration and fills in its defaults. Throws {@link ConfigError} with every mistake. */
export function checkConfig(config: unknown, { needsDestination = false } = {}): CheckedConfig {
	const sandbox = asRecord(config).sandbox === true;
	const result = configSchema({ sandbox, needsDestination }).safeParse(config, { error: inWords });
	if (result.success) return result.data;
	const count = sitesIn(config).length;
	throw new ConfigError(
		result.error.issues.map(({ path, message }) => {
			const place = path.join(".");
			// A list has a variable, its entries have none.
			const [, list, entry] = /^(.*\.(?:origins|identitySecrets))\.(\d+)$/.exec(place) ?? [];
			if (list === undefined) return { name: nameOf(place, count), message };
			return { name: nameOf(list, count), message: `entry ${Number(entry) + 1} ${message}` };
		}),
	);
}

/** Variables in the environment that are probably misspelt, each with the one that was probably meant. */
export const unknownVariables = (env: Environment = process.env) => unknownNames(Object.keys(env));

/**
 * Reads a variable: its text, else that of the file named by `NAME_FILE`. An empty one counts as unset, as in a compose
 * file with `CRISP_KEY=`. Throws {@link ConfigError} if the file cannot be read.
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

/** Adds the mistakes of a {@link ConfigError} to a list. Throws any other error. */
function note(mistakes: Mistake[], error: unknown): void {
	if (!(error instanceof ConfigError)) throw error;
	mistakes.push(...error.mistakes);
}

export interface LoadOptions {
	/** Configuration file; `false` for none. Default `eventferry.config.mjs` or `.json` in the working folder. */
	file?: string | false | undefined;
	/** Default `process.env`. */
	env?: Environment;
	/** Whether variables of the providers' accounts are read; default true. */
	accounts?: boolean;
	/** Configuration to start from if `file` is `false`. */
	defaults?: Record<string, unknown>;
	/** Values from code, by path: `{ port: 0, "sites.0.writeKey": "site_x" }`. */
	overrides?: Record<string, unknown>;
}

/** Merges code over the environment over a file. The result is not checked yet. */
async function gather({ file, env = process.env, accounts = true, defaults = {}, overrides = {} }: LoadOptions) {
	const unreadable: Mistake[] = [];
	const mistakes: Mistake[] = [];
	let config: unknown = defaults;
	if (file !== false) config = await readConfigFile(file).catch((error) => note(unreadable, error));
	const settings: (Variable & { value: unknown })[] = [];
	for (const variable of variables) {
		if (variable.provider !== undefined && !accounts) continue;
		try {
			const text = readVariable(variable.name, env);
			if (text !== undefined) settings.push({ ...variable, value: variable.read(text) });
		} catch (error) {
			note(mistakes, error);
		}
	}
	const sites = sitesIn(config);
	/** Whether the site has an account there. Without one, a base URL or a budget in the environment means nothing. */
	const hasAccount = (provider: ProviderName) =>
		asRecord(sites[0])[provider] !== undefined ||
		settings.some((each) => each.provider === provider && each.isCredential);
	for (const { name, path, provider, value } of settings) {
		if (provider !== undefined && !hasAccount(provider)) continue;
		if (path.startsWith("sites.") && sites.length > 1) {
			mistakes.push({ name, message: "is for one site, but the configuration file has several: set it there" });
		} else config = withValue(config, path.split("."), value);
	}
	for (const [path, value] of Object.entries(overrides)) config = withValue(config, path.split("."), value);
	if (asRecord(config).sites === undefined) config = withValue(config, ["sites", "0"], {});
	return { config, settings, mistakes, unreadable };
}

/** Loads the configuration: code over environment over file. Rejects with a {@link ConfigError} of all mistakes. */
export async function loadConfig(options: LoadOptions = {}): Promise<CheckedConfig> {
	const { config, settings, mistakes, unreadable } = await gather(options);
	try {
		const checked = checkConfig(config, { needsDestination: true });
		if (mistakes.length === 0 && unreadable.length === 0) return checked;
	} catch (error) {
		if (!(error instanceof ConfigError)) throw error;
		// An option that seems to be missing may be in the file that could not be read: then only wrong values are reported.
		const isSet = ({ name }: Mistake) => settings.some((setting) => setting.name === name);
		mistakes.push(...(unreadable.length > 0 ? error.mistakes.filter(isSet) : error.mistakes));
	}
	throw new ConfigError([...unreadable, ...mistakes]);
}

/** Warnings about a valid configuration, one line each. They contain no secret. */
export const doubts = (config: CheckedConfig, env: Environment = process.env): string[] =>
	doubtsOf(config, env.PGSSLMODE);

/** Loads the sites' write keys only, from a configuration that may otherwise be wrong. Rejects with {@link ConfigError}. */
export async function loadWriteKeys(options: LoadOptions = {}): Promise<string[]> {
	const { config, mistakes, unreadable } = await gather(options);
	if (unreadable.length > 0 || mistakes.length > 0) throw new ConfigError([...unreadable, ...mistakes]);
	return sitesIn(config)
		.map((site) => asRecord(site).writeKey)
		.filter((key) => typeof key === "string");
}
