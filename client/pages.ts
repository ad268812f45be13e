import type { Tracker } from "./contract.ts";

/** Records a page view now, and one after each change of path or query by `history` or by going back and forward. */
export const trackPages = (tracker: Tracker): void => {
	let current: string | undefined;
	const look = () => {
		const address = location.href.split("#")[0];
		if (current !== address) tracker.page();
		current = address;
	};
	// The two methods are replaced, as no event tells of their calls.
	// https://developer.mozilla.org/docs/Web/API/Window/popstate_event
	(["pushState", "replaceState"] as const).forEach((method) => {
		const original = history[method];
		history[method] = (...args) => {
			original.apply(history, args);
			look();
		};
	});
	addEventListener("popstate", look);
	look();
};
