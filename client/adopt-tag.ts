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
	window.eventferryAdopted ||= observe(
		// biome-ignore lint/suspicious/noAssignInExpressions: shorter
		(...command) => (window.eventferry ||= []).push(command as never),
		settings?.adopt?.split(" ") ?? [],
	);
});
