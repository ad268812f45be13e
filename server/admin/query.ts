import type { Request } from "express";

/**
 * Parses a request's query, whatever `query parser` the app around the router has. A name given twice becomes a list.
 */
export function queryOf({ url }: Request): Record<string, string | string[]> {
	const query = new URLSearchParams(url.split("?")[1]);
	return Object.fromEntries(
		[...query.keys()].map((name) => {
			const [first = "", ...more] = query.getAll(name);
			return [name, more.length > 0 ? [first, ...more] : first];
		}),
	);
}
