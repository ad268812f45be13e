import type { Data, Tracker } from "./contract.ts";

/** `data-ferry-event="Name"` tracks an element's clicks, its other `data-ferry-product-id` as `{ productId }`. */
export function trackClicks(tracker: Tracker): void {
	document.addEventListener(
		"click",
		({ target }) => {
			const element = (target as Element).closest?.<HTMLElement>("[data-ferry-event]");
			if (!element) return;
			const data: Data = {};
			for (const [key, value] of Object.entries(element.dataset)) {
				const name = key.replace(/^ferry([A-Z])/, (_, first) => first.toLowerCase());
				if (name !== key && name !== "event") data[name] = value;
			}
			tracker.track(element.dataset.ferryEvent as string, data);
		},
		// Before a handler of the page can stop the click or remove the element.
		true,
	);
}
