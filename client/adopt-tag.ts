import type { Anything } from "./adopt/vendors.ts";
import { observe } from "./adopt.ts";
import { attempt } from "./attempt.ts";

declare global {
	interface Window {
		/** Function that ends the observation. It marks that the page has this script already. */
		eventferryAdopted?: unknown;
	}
}

attempt(() => {
	// Tag Manager removes attributes of scripts.
	const settings =
		(document.querySelector("script[data-adopt]") as HTMLScriptElement | null)?.dataset ?? window.eventferryConfig;
	window.eventferryAdopted ||= observe((...command) => {
		// biome-ignore lint/suspicious/noAssignInExpressions: shorter
		((window.eventferry ||= []) as Anything).push(command);
	}, settings?.adopt?.split(" ") ?? []);
});
