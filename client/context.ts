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
	} catch {
		return;
	}
}

/** Reads where the visitor is. Costly parts are read once, or once per address. */
export function createContext(): () => Event["context"] {
	const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
	const referrer = stripUrl(document.referrer);
	let address = "";
	let url: string | undefined;
	return () => {
		if (address !== location.href) {
			address = location.href;
			url = stripUrl(address);
		}
		return {
			url,
			title: document.title.slice(0, contextLength),
			referrer,
			locale: navigator.language,
			timezone: timeZone,
		};
	};
}
