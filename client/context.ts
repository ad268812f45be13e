import type { Event, Limits } from "../shared/event.ts";
import { attempt } from "./attempt.ts";

const contextLength: Limits["contextLength"] = 2_048;

/** Reads one part of the context. Undefined if that throws or gives something else than text, so that no event is lost. */
const readText = (read: () => unknown): string | undefined =>
	attempt(() => {
		const text = read();
		if (typeof text === "string") return text.slice(0, contextLength);
	});

const readTitle = () => readText(() => document.title);

/**
 * Removes fragment, credentials and query parameters from an address, as they may hold reset tokens or search terms;
 * `utm_*` parameters stay. Undefined if the address is not a URL.
 */
export const stripUrl = (read: () => string): string | undefined =>
	readText(() => {
		const url = new URL(read());
		url.hash = url.username = url.password = "";
		url.search = url.search.replace(/[?&](?!utm_)[^&]*/g, "").slice(1);
		return url.href;
	});

/**
 * Window with the Temporal API. Any part may be missing, as an older polyfill or an element with `id="Temporal"` may
 * have taken the name.
 * https://html.spec.whatwg.org/multipage/nav-history-apis.html#named-access-on-the-window-object
 */
declare const Temporal: { Now: { timeZoneId(): string } };

/** Address of the page when `context` was read. */
let seen: string | undefined;
let context: Event["context"];
/** Keeps the title of the page view at this address, once the address has changed. */
let keepTitle: ((title: string | undefined) => void) | undefined;

/**
 * Reads the context of the page. To save time it is read anew only after a change of address, but for the title.
 * @param isPageView True to read the title each time that the event is serialised, until the address changes: a
 * single-page app sets the title after the address.
 * @param via Name of the tracker whose call was taken over.
 */
export const readContext = (isPageView?: boolean, via?: string): Event["context"] => {
	const { href } = location;
	let title = readTitle();
	if (seen !== href) {
		seen = href;
		keepTitle = keepTitle?.(title) as undefined;
		context = {
			url: stripUrl(() => href),
			referrer: stripUrl(() => document.referrer),
			locale: readText(() => navigator.language),
			timezone:
				// Temporal first, as the first use of `Intl` in a page takes Chromium 9 ms.
				// https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Temporal/Now/timeZoneId
				readText(() => Temporal.Now.timeZoneId()) ?? readText(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
		};
	}
	if (isPageView)
		keepTitle = (latest) => {
			title = latest;
		};
	return {
		...context,
		via,
		get title() {
			if (isPageView && href === location.href) title = readTitle();
			return title;
		},
	};
};
