import type { CheckedSite } from "./config/config.ts";
import type { ReportedSite } from "./inbound/index.ts";
import type { Account } from "./sites.ts";

/** A site's name in the store. The sandbox's is another, so that neither ever delivers what the other was given. */
export const storedName = ({ writeKey }: CheckedSite, sandbox: boolean) => (sandbox ? `sandbox ${writeKey}` : writeKey);

/** What ingest needs to know of a site: where each of its events goes. */
export function ingestSite(site: CheckedSite, accounts: Account[], sandbox: boolean): ReportedSite {
	return {
		...site,
		name: storedName(site, sandbox),
		route(event) {
			const route = { destinations: [] as string[], notAddressable: [] as string[] };
			for (const { provider, options } of accounts) {
				// Page views would eat a daily quota: only where they are asked for.
				if (!(options.events?.includes(event.type) ?? event.type !== "page")) continue;
				(provider.addresses(event.person) ? route.destinations : route.notAddressable).push(provider.name);
			}
			return route;
		},
	};
}
