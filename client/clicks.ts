import type { Data, Tracker } from "./contract.ts";

/**
 * Tracks clicks on elements that have `data-ferry-event="Name"`. Their other `data-ferry-*` attributes are the event's
 * data: `data-ferry-product-id` becomes `productId`.
 */
export function trackClicks(tracker: Tracker): void {
	document.addEventListener(
		"click",
		({ target }) => {
			// Elements have closest(); a click that a script dispatches may have another target.
			const element = (target as Element).closest?.<HTMLElement>("[data-ferry-event]");
			if (!element) return;
			const data: Data = {};
			for (const [key, value] of Object.entries(element.dataset)) {
				const name = key.replace(/^ferry([A-Z])/, (_, first) => first.toLowerCase());
				if (name !== key && name !== "event") data[name] = value;
			}
			tracker.track(element.dataset.ferryEvent as string, data);
		},
		// Listens in the capture phase, before a handler of the page can stop the event or remove the element.
		true,
	);
}
