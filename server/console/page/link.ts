import { useCallback, useEffect, useState } from "preact/hooks";

/** Parts of the page's state that its address keeps, so that a link leads to the same view. None names a person. */
const parts = ["event", "destination", "reason", "name", "since"] as const;
export type Link = { [Part in (typeof parts)[number]]?: string | undefined };

/** Reads the state from the part of the address after `#`, which no server sees. */
function read(): Link {
	const query = new URLSearchParams(location.hash.slice(1));
	return Object.fromEntries(parts.flatMap((part) => (query.get(part) ? [[part, query.get(part)]] : [])));
}

/** Returns the address of a state, for links within the page. What looks like an e-mail is left out. */
export function addressOf(link: Link): string {
	const kept = Object.entries(link).filter(([, value]) => value && !value.includes("@")) as [string, string][];
	return `#${new URLSearchParams(kept)}`;
}

/** Returns the state in the address, and a function that changes parts of it. */
export function useLink() {
	const [link, setLink] = useState(read);
	useEffect(() => {
		const follow = () =>
			setLink((before) => {
				if (location.hash !== "#main") return read();
				// The link that skips to the content leaves the state as it is.
				history.replaceState(null, "", addressOf(before));
				return before;
			});
		addEventListener("hashchange", follow);
		return () => removeEventListener("hashchange", follow);
	}, []);
	const go = useCallback((change: Link) => {
		setLink((before) => {
			const next = { ...before, ...change };
			history.replaceState(null, "", addressOf(next));
			return next;
		});
	}, []);
	return { link, go };
}
