import type { Request } from "express";

/** A request's query, however the app around the router parses its own; a name given twice is a list. */
export function queryOf({ url }: Request): Record<string, string | string[]> {
	const query = new URLSearchParams(url.split("?")[1]);
	return Object.fromEntries(
		[...query.keys()].map((name) => {
			const [first = "", ...more] = query.getAll(name);
			return [name, more.length > 0 ? [first, ...more] : first];
		}),
	);
}
