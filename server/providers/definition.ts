import type * as z from "zod";
import type { AccountHooks } from "./hook.ts";
import type { CommonOptions } from "./options.ts";
import type { Connector } from "./provider.ts";

/** Schemas of a provider's own options, by name. */
export type OwnOptions = z.core.$ZodShape;

/** A checked account: the provider's own options and those common to all providers. */
export type AccountOf<Own extends OwnOptions> = z.output<z.ZodObject<Own>> & CommonOptions;

/** A provider as the rest of the server knows it. A line in `index.ts` registers it. */
export interface ProviderDefinition<Own extends OwnOptions> {
	/** The provider's name as it spells it itself. */
	readonly title: string;
	/** Options of an account. The required ones are its credentials: a site has an account once one of them is set. */
	readonly options: Own;
	/** Environment variables, each with the option that it sets. */
	readonly variables: Readonly<Record<string, (keyof Own & string) | "budget">>;
	/** Tells whether the provider's documentation rules a name of an attribute out. Absent if it says nothing of names. */
	isOddName?(name: string): boolean;
	/** Absent if the provider has no web hooks. */
	readonly hooks?: HookSource<AccountOf<Own>>;
	/** Connects to an account. Sends nothing. */
	create(account: AccountOf<Own>): Connector;
}

/** A provider that reports by web hooks what happens there. */
export interface ReportingDefinition<Own extends OwnOptions> extends ProviderDefinition<Own> {
	readonly hooks: HookSource<AccountOf<Own>>;
}

/** A provider's web hooks. */
export interface HookSource<Account> {
	/** Options that hold a secret shared with the provider. An account with none of them gets no web hooks. */
	readonly secrets: readonly (keyof Account & string)[];
	/** Query parameters of the route; absent if it has none. */
	readonly query?: z.ZodObject;
	/** Makes the web hooks of an account that holds one of the secrets. */
	create(account: Account): AccountHooks;
}
