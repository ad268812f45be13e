import type { Crisp } from "crisp-api";

/** A method of Crisp's first Node client, and how it is called today. */
export interface Method<Args extends readonly unknown[], Result> {
	/** Route of the REST API today. */
	route: string;
	/** Name in the official client today. */
	today: string;
	/** Difference from the first client's documentation. */
	mended?: string;
	call(client: Crisp, ...args: Args): Promise<Result>;
}

/** A method that Crisp has withdrawn. */
export interface Withdrawn {
	/** Route that it had. */
	route: string;
	/** Replacement, in words. */
	instead: string;
}

export const method = <Args extends readonly unknown[], Result>(
	today: string,
	route: string,
	call: (client: Crisp, ...args: Args) => Promise<Result>,
	mended?: string,
): Method<Args, Result> => ({ today, route, call, ...(mended !== undefined && { mended }) });

export type Section = Record<string, Method<never, unknown> | Withdrawn>;

/** A section's methods, without the client as their first parameter. */
export type Bound<Methods extends Section> = {
	[Name in keyof Methods]: Methods[Name] extends Method<infer Args, infer Result>
		? (...args: Args) => Promise<Result>
		: (...args: unknown[]) => Promise<never>;
};
