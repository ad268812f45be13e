import type { AccountOf, HookSource, ProviderDefinition } from "./definition.ts";
import * as providers from "./index.ts";
import type { Provider } from "./provider.ts";

type Providers = typeof providers;
export type ProviderName = keyof Providers;
/** Name of a provider that reports by web hooks. */
export type ReporterName = {
	[Name in ProviderName]: Providers[Name] extends { hooks: object } ? Name : never;
}[ProviderName];
/** A checked account at each provider. */
export type Accounts = { [Name in ProviderName]: AccountOf<Providers[Name]["options"]> };

/** Every provider's definition, by the provider's name. */
export const definitions: { readonly [Name in ProviderName]: ProviderDefinition<Providers[Name]["options"]> } =
	providers;

export const providerNames = Object.keys(definitions) as ProviderName[];
export const reporterNames = providerNames.filter(
	(name): name is ReporterName => definitions[name].hooks !== undefined,
);

/** Whether an account holds a secret with which the provider's web hooks can be verified. */
export function hears<Name extends ProviderName>(name: Name, account: Accounts[Name] | undefined): boolean {
	const secrets = definitions[name].hooks?.secrets ?? [];
	return account !== undefined && secrets.some((secret) => account[secret] !== undefined);
}

/** A provider's web hooks, bound to one account that can verify them. */
const boundHooks = <Account>(source: HookSource<Account>, account: Account): Pick<Provider, "hooks" | "aliases"> => ({
	hooks: {
		verifies: (request) => source.verifies(account, request),
		read: source.read,
		concerns: (hook) => source.concerns(account, hook),
	},
	aliases: source.aliases,
});

/** Connects to an account at the named provider. Sends nothing. */
export function createProvider<Name extends ProviderName>(name: Name, account: Accounts[Name]): Provider {
	const { title, hooks, create } = definitions[name];
	return { name, title, ...create(account), ...(hooks && hears(name, account) && boundHooks(hooks, account)) };
}
