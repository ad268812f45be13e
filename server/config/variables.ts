import * as z from "zod";
import { definitions, type ProviderName, providerNames } from "../providers/registry.ts";

/** An environment variable that sets an option. Those of a site and its accounts are for a configuration of one site. */
export interface Variable {
	name: string;
	/** Path of the option in the configuration. */
	path: string;
	/** Reads the variable's text. Returns text that does not fit unchanged, for the schema to refuse. */
	read(text: string): unknown;
	/** Provider of the account that the variable is about; absent if it is about none. */
	provider?: ProviderName;
	/** Whether the option is required in an account. */
	isCredential?: boolean;
}

const own: Record<string, string> = {
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
};

const wholeNumber = (text: string) => (/^\d+$/.test(text) ? Number(text) : text);
const listed = (text: string) =>
	text
		.split(",")
		.map((entry) => entry.trim())
		.filter(Boolean);
/** Readings of the options that are not text. */
const readings: Record<string, (text: string) => unknown> = {
	port: wholeNumber,
	budget: wholeNumber,
	trustProxy: (text) => (text === "true" || text === "false" ? text === "true" : wholeNumber(text)),
	origins: listed,
	identitySecrets: listed,
};
const variableAt = (name: string, path: string): Variable => ({
	name,
	path,
	read: readings[path.replace(/^.*\./, "")] ?? ((text) => text),
});

function variablesOf(provider: ProviderName): Variable[] {
	const { variables, options } = definitions[provider];
	const schemas: Record<string, z.core.$ZodType> = options;
	return Object.entries(variables).map(([name, option]) => {
		const schema = schemas[option];
		const isCredential = schema !== undefined && !z.safeParse(schema, undefined).success;
		return { ...variableAt(name, `sites.0.${provider}.${option}`), provider, isCredential };
	});
}

/** All variables that set options, in the order in which help texts list them. */
export const variables: readonly Variable[] = [
	...Object.entries(own).map(([name, path]) => variableAt(name, path)),
	...providerNames.flatMap(variablesOf),
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

/** Variables that say where a destination's account is and who we are there: what to check if it refuses us. */
export function accountVariables(destination: string): string[] {
	const provider = providerNames.find((name) => name === destination);
	if (provider === undefined) return [];
	const secrets: readonly string[] = definitions[provider].hooks?.secrets ?? [];
	return Object.entries(definitions[provider].variables)
		.filter(([, option]) => option !== "budget" && !secrets.includes(option))
		.map(([name]) => name);
}

const prefixOf = (name: string) => name.replace(/_.*$/, "_");
const prefixes = new Set(configVariables.map(prefixOf).filter((prefix) => prefix.endsWith("_")));
const withoutTypos = (name: string) => name.replaceAll("_", "").replace(/S$/, "");

/** Names that start like one of our variables but are none, each with the variable that was probably meant. */
export const unknownNames = (names: string[]): { name: string; meant: string | undefined }[] =>
	names
		.filter((name) => prefixes.has(prefixOf(name)) && !configVariables.includes(name.replace(/_FILE$/, "")))
		.map((name) => ({ name, meant: configVariables.find((each) => withoutTypos(each) === withoutTypos(name)) }));
