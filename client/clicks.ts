import type { Data, Tracker } from "./contract.ts";

/** `data-ferry-event="Name"` tracks an element's clicks, its other `data-ferry-product-id` as `{ productId }`. */
export function trackClicks(tracker: Tracker): void {
	document.addEventListener(
		"click",
		({ target }) => {
			const element = target instanceof Element && target.closest<HTMLElement>("[data-ferry-event]");
			if (!element) return;
			const data: Data = {};
			for (const [key, value] of Object.entries(element.dataset)) {
				const [, first, rest] = /^ferry([A-Z])(.*)/.exec(key) ?? [];
				if (first && key !== "ferryEvent") data[first.toLowerCase() + rest] = value;
			}
			tracker.track(element.dataset.ferryEvent as string, data);
		},
		// Before a handler of the page can stop the click or remove the element.
		true,
	);
}
