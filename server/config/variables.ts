import * as z from "zod";
import { definitions, type ProviderName, providerNames } from "../providers/registry.ts";

/** An environment variable that sets an option. A site's options have variables only if there is one site. */
export interface Variable {
	name: string;
	/** Path of the option in the configuration. */
	path: string;
	/**
	 * Converts the variable's text to the option's value; undefined counts as unset. Leaves unsuitable text as it is, for the
	 * schema to refuse.
	 */
	convert(text: string): unknown;
	/** Path of the account that has the option, within its site; absent for all other options. */
	account?: string;
	/** Whether the option makes an account; else it is ignored without one. */
	isCredential?: boolean;
}

const ownPaths: Record<string, string> = {
	PORT: "port",
	HOST: "host",
	EVENTFERRY_STORE: "store",
	EVENTFERRY_MAX_STORE_BYTES: "maxStoreBytes",
	EVENTFERRY_ADMIN_TOKEN: "adminToken",
	EVENTFERRY_TRUST_PROXY: "trustProxy",
	EVENTFERRY_LOG_LEVEL: "logLevel",
	EVENTFERRY_WRITE_KEY: "sites.0.writeKey",
	EVENTFERRY_ORIGINS: "sites.0.origins",
	EVENTFERRY_SERVER_KEY: "sites.0.serverKey",
	EVENTFERRY_IDENTITY: "sites.0.identity",
	EVENTFERRY_IDENTITY_SECRET: "sites.0.identitySecrets",
};

const isTruth = (text: string) => text === "true" || text === "false";
const wholeNumber = (text: string) => (/^\d+$/.test(text) ? Number(text) : text);
const list = (text: string) =>
	text
		.split(",")
		.map((entry) => entry.trim())
		.filter(Boolean);
/** Conversions for options that are not text, by the option's name. */
const conversions: Record<string, (text: string) => unknown> = {
	port: wholeNumber,
	budget: wholeNumber,
	trustProxy: (text) => (isTruth(text) ? text === "true" : wholeNumber(text)),
	createFirst: (text) => (isTruth(text) ? text === "true" : text),
	origins: list,
	identitySecrets: list,
	// Commas alone are no choice of no event: it would stop all deliveries.
	events: (text) => (list(text).length > 0 ? list(text) : undefined),
};
const variableAt = (name: string, path: string): Variable => ({
	name,
	path,
	convert: conversions[path.replace(/^.*\./, "")] ?? ((text) => text),
});

function variablesOf(provider: ProviderName): Variable[] {
	const { variables, options } = definitions[provider];
	const schemas: Record<string, z.core.$ZodType> = options;
	const own = { ...variables, [`${provider.toUpperCase()}_EVENTS`]: "events" };
	return Object.entries(own).map(([name, option]) => {
		const schema = schemas[option];
		const isCredential = schema !== undefined && !z.safeParse(schema, undefined).success;
		return { ...variableAt(name, `sites.0.${provider}.${option}`), account: provider, isCredential };
	});
}

/** Lists the variables of a provider's credentials, each with the name of its option. */
export const credentialVariables = (provider: ProviderName): { name: string; option: string }[] =>
	variablesOf(provider)
		.filter(({ isCredential }) => isCredential)
		.map(({ name, path }) => ({ name, option: path.replace(/^.*\./, "") }));

/** Variables of the one destination of your own that the environment can name. */
const webhook = "destinations.webhook";
const webhookVariables = [
	["WEBHOOK_URL", "url"],
	["WEBHOOK_SECRET", "secret"],
].map(([name = "", option]) => ({
	...variableAt(name, `sites.0.${webhook}.${option}`),
	account: webhook,
	isCredential: true,
}));

/** All variables that set options, in the order in which help texts list them. */
export const variables: readonly Variable[] = [
	...Object.entries(ownPaths).map(([name, path]) => variableAt(name, path)),
	...providerNames.flatMap(variablesOf),
	...webhookVariables,
];

/** Names an option for people: by its variable if it has one and there is one site at most, else by its path. */
export function nameOf(path: string, sites: number): string {
	if (path === "") return "the configuration";
	if (path === "sites.0.destinations" && sites <= 1) return "destinations";
	const variable = sites <= 1 ? variables.find((each) => each.path === path) : undefined;
	return variable?.name ?? path.replace(/\.(\d+)/g, "[$1]");
}

/** Names of all variables: those that set options, and those of the command. */
export const configVariables = [...variables.map(({ name }) => name), "EVENTFERRY_URL"];

/** Lists the variables of a destination's address and credentials, to be checked if the provider refuses them. */
export function accountVariables(destination: string): string[] {
	if (webhook.endsWith(`.${destination}`)) return webhookVariables.map(({ name }) => name);
	const provider = providerNames.find((name) => name === destination);
	if (provider === undefined) return [`destinations.${destination}`];
	const secrets: readonly string[] = definitions[provider].hooks?.secrets ?? [];
	return Object.entries(definitions[provider].variables)
		.filter(([, option]) => option !== "budget" && !secrets.includes(option))
		.map(([name]) => name);
}

const prefixOf = (name: string) => name.replace(/_.*$/, "_");
const prefixes = new Set(configVariables.map(prefixOf).filter((prefix) => prefix.endsWith("_")));
const simplified = (name: string) => name.replaceAll("_", "").replace(/S$/, "");

/** Finds names that begin like our variables but are none, each with the variable that was probably meant. */
export const unknownNames = (names: string[]): { name: string; meant: string | undefined }[] =>
	names
		.filter((name) => prefixes.has(prefixOf(name)) && !configVariables.includes(name.replace(/_FILE$/, "")))
		.map((name) => ({ name, meant: configVariables.find((each) => simplified(each) === simplified(name)) }))
		// Other tools have variables for their web hooks, too.
		.filter(({ name, meant }) => meant !== undefined || prefixOf(name) !== "WEBHOOK_");
