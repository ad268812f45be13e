import type { AccountOf, ProviderDefinition } from "./definition.ts";
import * as providers from "./index.ts";
import { isPathSegment, unbuildable } from "./path-segment.ts";
import type { Plan, Provider } from "./provider.ts";

type Providers = typeof providers;
export type ProviderName = keyof Providers;
/** Name of a provider that reports by web hooks. */
export type ReporterName = {
	[Name in ProviderName]: Providers[Name] extends { hooks: object } ? Name : never;
}[ProviderName];
/** Type of a checked account, by the provider's name. */
export type Accounts = { [Name in ProviderName]: AccountOf<Providers[Name]["options"]> };

/** Every provider's definition, by the provider's name. */
export const definitions: { readonly [Name in ProviderName]: ProviderDefinition<Providers[Name]["options"]> } =
	providers;

export const providerNames = Object.keys(definitions) as ProviderName[];
export const reporterNames = providerNames.filter(
	(name): name is ReporterName => definitions[name].hooks !== undefined,
);

/** Tells whether an account holds a secret with which the provider's web hooks can be verified. */
export function canVerifyHooks<Name extends ProviderName>(name: Name, account: Accounts[Name] | undefined): boolean {
	const secrets = definitions[name].hooks?.secrets ?? [];
	return secrets.some((secret) => account?.[secret] !== undefined);
}

/** Refuses a planned request that has no URL, so that it costs no budget and says nothing about the provider. */
const buildable = (plan: Plan): Plan =>
	plan.kind === "send" && !plan.request.path.every(isPathSegment)
		? { kind: "refuse", reason: "unbuildable", message: unbuildable }
		: plan;

/** Connects to an account at the named provider. Sends nothing. */
export function createProvider<Name extends ProviderName>(name: Name, account: Accounts[Name]): Provider {
	const { title, hooks, create } = definitions[name];
	const connector = create(account);
	return {
		...{ name, title, ...connector },
		worthProfile: Array.isArray(account.createPeople) ? account.createPeople : undefined,
		plan: (...lane) => buildable(connector.plan(...lane)),
		hooks: canVerifyHooks(name, account) ? hooks?.create(account) : undefined,
	};
}
