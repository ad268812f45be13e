import type { Event, Limits } from "../shared/event.ts";

const contextLength: Limits["contextLength"] = 2_048;

/** An address without fragment, credentials and query, `utm_*` excepted: reset links and searches stay here. */
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

/** An element or a script of the page may be called so too. */
type Zoned = { Temporal?: { Now?: { timeZoneId?(): string } } };

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
			// In Chromium the first `Intl` of a page costs 9 ms.
			timezone: (window as Zoned).Temporal?.Now?.timeZoneId?.() ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
		};
	}
	return context;
}
