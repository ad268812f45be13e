import type { CheckedSite } from "./config/config.ts";
import type { DeliveryOptions } from "./config/destination.ts";
import type { OnOwnFault } from "./destinations/loop-watch.ts";
import { createOwn } from "./destinations/own.ts";
import type { ReportedSite } from "./inbound/index.ts";
import { type Accounts, createProvider, type ProviderName, providerNames } from "./providers/registry.ts";
import { explain } from "./routing/explain.ts";
import { type Account, createRouting, placeOf } from "./routing/route.ts";
import { ruleWarnings } from "./routing/warnings.ts";

const accountsAt = <Name extends ProviderName>(
	name: Name,
	options: (Accounts[Name] & DeliveryOptions) | undefined,
): Account[] => (options ? [{ provider: createProvider(name, options), options }] : []);

export type { Account } from "./routing/route.ts";

/** Makes a site's accounts, one for each provider and destination of its own in its configuration. */
export const accountsOf = (site: CheckedSite, onFault: OnOwnFault = () => {}): Account[] => [
	...providerNames.flatMap((name) => accountsAt(name, site[name])),
	...Object.entries(site.destinations ?? {}).map(([name, own]) => ({
		provider: createOwn(name, own, onFault),
		options: { ...own, budget: undefined },
	})),
];

/** Makes the function that explains what the destinations of an event would be sent, by sites with their accounts. */
export function createExplain(accounts: ReadonlyMap<CheckedSite, readonly Account[]>) {
	const labels = siteLabels([...accounts.keys()]);
	const sites = [...accounts].map(([site, destinations], index) => ({
		site,
		label: labels[index] ?? "",
		destinations,
	}));
	return (event: unknown) => explain(event, sites, Date.now());
}

/** Warnings about the rules of sites, one line each. */
export const warningsOfRules = (sites: Iterable<readonly [CheckedSite, readonly Account[]]>): string[] =>
	[...sites].flatMap(([{ rules }, accounts], index) =>
		ruleWarnings(rules, accounts.map(placeOf), `sites[${index}].rules`),
	);

/** Returns a site's name in the store. Names in sandbox mode differ, so that its events never reach real accounts. */
export const storedName = ({ writeKey }: CheckedSite, sandbox: boolean) => (sandbox ? `sandbox ${writeKey}` : writeKey);

/** Adds to a site the facts that ingest and web hooks need: its destinations for an event, and its verifiable hooks. */
export function ingestSite(site: CheckedSite, accounts: Account[], sandbox: boolean): ReportedSite {
	return {
		...site,
		name: storedName(site, sandbox),
		hooks: new Map(accounts.flatMap(({ provider: { name, hooks } }) => (hooks ? [[name, hooks]] : []))),
		route: createRouting(site.rules, accounts.map(placeOf)),
	};
}

/** Makes labels of sites for logs and metrics: the host of the first origin, numbered if several sites share it. */
export function siteLabels(sites: readonly { origins: readonly string[] }[]): string[] {
	const labels: string[] = [];
	for (const { origins } of sites) {
		const host = origins[0]?.replace(/^\w+:\/\//, "") ?? "site";
		const alike = labels.filter((label) => label === host || label.startsWith(`${host} `)).length;
		labels.push(alike === 0 ? host : `${host} ${alike + 1}`);
	}
	return labels;
}
