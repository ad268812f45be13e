import type { Event, Limits } from "../shared/event.ts";

const contextLength: Limits["contextLength"] = 2_048;

/**
 * Removes fragment, credentials and query parameters from an address, as they may hold reset tokens or search terms;
 * `utm_*` parameters stay. Undefined if the address is not a URL.
 */
export function stripUrl(address: string): string | undefined {
	try {
		const url = new URL(address);
		url.hash = url.username = url.password = "";
		for (const key of [...url.searchParams.keys()]) {
			if (!key.startsWith("utm_")) url.searchParams.delete(key);
		}
		return url.href.slice(0, contextLength);
	} catch {}
}

/**
 * Window with the Temporal API. Any part may be missing, as an older polyfill or an element with `id="Temporal"` may
 * have taken the name.
 * https://html.spec.whatwg.org/multipage/nav-history-apis.html#named-access-on-the-window-object
 */
type WindowWithTemporal = { Temporal?: { Now?: { timeZoneId?(): string } } };

/** Address and title of the page when `context` was read. */
let seen: string | undefined;
let context: Event["context"];

/** Reads the context of the page. To save time it is read anew only after a change of address or title. */
export function readContext(): Event["context"] {
	const { title, referrer } = document;
	const { href } = location;
	if (seen !== href + title) {
		seen = href + title;
		context = {
			url: stripUrl(href),
			title: title.slice(0, contextLength),
			referrer: stripUrl(referrer),
			locale: navigator.language,
			// Temporal first, as the first use of `Intl` in a page takes Chromium 9 ms.
			// https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Temporal/Now/timeZoneId
			timezone:
				(window as WindowWithTemporal).Temporal?.Now?.timeZoneId?.() ??
				Intl.DateTimeFormat().resolvedOptions().timeZone,
		};
	}
	return context;
}
