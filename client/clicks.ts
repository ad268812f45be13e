import type { Data, Tracker } from "./contract.ts";

/**
 * Tracks clicks on elements that have `data-ferry-event="Name"`. Their other `data-ferry-*` attributes are the event's
 * data: `data-ferry-product-id` becomes `productId`.
 */
export const trackClicks = (tracker: Tracker): void => {
	let labelled: Element | undefined;
	const look = (event: MouseEvent) => {
		// Sees into open shadow roots, unlike the event's target.
		const path = event.composedPath() as Partial<HTMLElement>[];
		const element = path.find(({ dataset }) => dataset?.ferryEvent) as HTMLElement | undefined;
		// The middle button opens a link in a new tab; the right one, a menu.
		if (!element || element === labelled || event.button > 1) return;
		// A click on a label is followed, in the same task, by a click on its control.
		if (path.some(({ localName }) => localName === "label")) {
			labelled = element;
			setTimeout(() => {
				labelled = undefined;
			});
		}
		const { ferryEvent, ...others } = element.dataset;
		const data: Data = {};
		for (const key in others) {
			if (/^ferry[A-Z]/.test(key))
				data[key.replace(/ferry./, (start) => (start[5] as string).toLowerCase())] = others[key];
		}
		tracker.track(ferryEvent as string, data);
	};
	// Listens in the capture phase, before a handler of the page can stop the event or remove the element.
	addEventListener("click", look, true);
	addEventListener("auxclick", look, true);
};
