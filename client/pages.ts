import type { Tracker } from "./contract.ts";

/** Records this page view and, where the page routes by `history`, each that follows. */
export function trackPages(tracker: Tracker): void {
	let current = "";
	const look = () => {
		const { pathname, search } = location;
		if (current === pathname + search) return;
		current = pathname + search;
		tracker.page();
	};
	for (const method of ["pushState", "replaceState"] as const) {
		const original = history[method];
		history[method] = (...args) => {
			original.apply(history, args);
			look();
		};
	}
	addEventListener("popstate", look);
	look();
}
