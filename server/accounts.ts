import type { CheckedSite } from "./config.ts";
import { createCrispProvider } from "./providers/crisp.ts";
import { createHelpCrunchProvider } from "./providers/helpcrunch.ts";
import type { Provider } from "./providers/provider.ts";
import { createVibetraceProvider } from "./providers/vibetrace.ts";

/** One of a site's accounts: the provider and what the site wants of it. */
export interface Account {
	provider: Provider;
	options: NonNullable<CheckedSite["crisp" | "helpcrunch" | "vibetrace"]>;
}

/** A site's accounts: a destination exists when its credentials do. */
export function accountsOf({ crisp, helpcrunch, vibetrace }: CheckedSite): Account[] {
	return [
		...(crisp ? [{ provider: createCrispProvider(crisp), options: crisp }] : []),
		...(helpcrunch ? [{ provider: createHelpCrunchProvider(helpcrunch), options: helpcrunch }] : []),
		...(vibetrace ? [{ provider: createVibetraceProvider(vibetrace), options: vibetrace }] : []),
	];
}
