import type { Data, Tracker } from "./contract.ts";

/**
 * Tracks clicks on elements that have `data-ferry-event="Name"`. Their other `data-ferry-*` attributes are the event's
 * data: `data-ferry-product-id` becomes `productId`.
 */
export const trackClicks = (tracker: Tracker): void => {
	let labelled: string | undefined;
	const look = (event: MouseEvent) => {
		// Sees into open shadow roots, unlike the event's target.
		const path = event.composedPath() as Partial<HTMLInputElement>[];
		const element = path.find(({ dataset }) => dataset?.ferryEvent) as HTMLElement | undefined;
		// Only controls have labels.
		const isControl = path[0]?.labels;
		// The middle button opens a link in a new tab; the right one, a menu.
		if (!element || (isControl && element.dataset.ferryEvent === labelled) || event.button > 1) return;
		// A click on a label is followed, in the same task, by a click on its control, which may be elsewhere.
		if (!isControl && path.some((each) => each.localName === "label")) {
			labelled = element.dataset.ferryEvent;
			setTimeout(() => {
				labelled = undefined;
			});
		}
		const { ferryEvent, ...others } = element.dataset;
		const data: Data = {};
		for (const key in others) {
			if (/^ferry[A-Z]/.test(key)) data[(key[5] as string).toLowerCase() + key.slice(6)] = others[key];
		}
		tracker.track(ferryEvent as string, data);
	};
	// Listens in the capture phase, before a handler of the page can stop the event or remove the element.
	addEventListener("click", look, true);
	addEventListener("auxclick", look, true);
};
