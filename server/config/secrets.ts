import { isRecord } from "../providers/json.ts";
import { providerNames } from "../providers/registry.ts";
import { variables } from "./variables.ts";

/** A secret in a configuration. */
export interface Secret {
	/** Path of the option, without the place in a list of secrets. */
	path: string;
	/** The option's name. */
	name: string;
	value: string;
	/** The object that has the option: the configuration, a site or an account. */
	holder: Record<string, unknown>;
}

/** Recognises an option that holds a secret by its name. */
export const isSecret = (name: string): boolean => name !== "writeKey" && /key|token|secret/i.test(name);

const isProvider = (account: string | undefined) => providerNames.some((name) => name === account);

/** Names of the options whose secrets a provider makes, each for one account. */
const credentials = new Set(
	variables
		.filter(({ isCredential, account }) => isCredential && isProvider(account))
		.map(({ path }) => path.replace(/^.*\./, ""))
		.filter(isSecret),
);

/** Finds the secrets in a configuration, which need not be checked yet, by the names of its options. */
export function secretsIn(value: unknown, path: string[] = []): Secret[] {
	if (Array.isArray(value)) return value.flatMap((each, index) => secretsIn(each, [...path, String(index)]));
	if (!isRecord(value)) return [];
	return Object.entries(value).flatMap(([name, inner]) => {
		// Names of fields in rules are those of the site's events.
		if (name === "rules") return [];
		const place = [...path, name];
		// A destination of your own may have such a name.
		if (!isSecret(name) || isRecord(inner)) return secretsIn(inner, place);
		const values = [inner].flat().filter((each) => typeof each === "string");
		return values.map((each) => ({ path: place.join("."), name, value: each, holder: value }));
	});
}

/** Whether a provider has made the secret, so that nobody can choose another. */
export const isCredential = ({ name }: Secret): boolean => credentials.has(name);

/** Whether two secrets are the same option of the same account, which two sites may share. */
export const isOneAccount = (a: Secret, b: Secret): boolean =>
	a.name === b.name &&
	a.holder !== b.holder &&
	[...credentials].some((name) => a.holder[name] !== undefined && a.holder[name] === b.holder[name]);
