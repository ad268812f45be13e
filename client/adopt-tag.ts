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
	window.eventferryAdopted ||= observe((method, ...args) => {
		// biome-ignore lint/suspicious/noAssignInExpressions: shorter
		const ferry = (window.eventferry ??= []) as Anything;
		// Loaded, its methods cost less than push().
		if (ferry[method]) ferry[method](...args);
		else ferry.push([method, ...args]);
	}, settings?.adopt?.split(" ") ?? []);
});
