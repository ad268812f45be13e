import type { CheckedSite, destinationNames } from "./config/config.ts";
import { createCrispProvider } from "./providers/crisp/crisp.ts";
import { createHelpCrunchProvider } from "./providers/helpcrunch/helpcrunch.ts";
import type { Provider } from "./providers/provider.ts";
import { createVibetraceProvider } from "./providers/vibetrace/vibetrace.ts";

/** One of a site's accounts: the provider and what the site wants of it. */
export interface Account {
	provider: Provider;
	options: NonNullable<CheckedSite[(typeof destinationNames)[number]]>;
}

/** A site's accounts: a destination exists when its credentials do. */
export function accountsOf(site: CheckedSite): Account[] {
	return [
		...(site.crisp ? [{ provider: createCrispProvider(site.crisp), options: site.crisp }] : []),
		...(site.helpcrunch ? [{ provider: createHelpCrunchProvider(site.helpcrunch), options: site.helpcrunch }] : []),
		...(site.vibetrace ? [{ provider: createVibetraceProvider(site.vibetrace), options: site.vibetrace }] : []),
	];
}
