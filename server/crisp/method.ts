import type { Crisp } from "crisp-api";

/** A method of the source document: what became of it, and how it is asked for today. */
export interface Method<Args extends readonly unknown[], Result> {
	/** Today's route. */
	route: string;
	/** The official client's name for it. */
	today: string;
	/** What is different from what the document says. */
	mended?: string;
	call(client: Crisp, ...args: Args): Promise<Result>;
}

/** One that Crisp has withdrawn. */
export interface Withdrawn {
	/** The route it had. */
	route: string;
	/** What to use instead. */
	instead: string;
}

export const method = <Args extends readonly unknown[], Result>(
	today: string,
	route: string,
	call: (client: Crisp, ...args: Args) => Promise<Result>,
	mended?: string,
): Method<Args, Result> => ({ today, route, call, ...(mended !== undefined && { mended }) });

export type Section = Record<string, Method<never, unknown> | Withdrawn>;

/** A section's methods as they are called. */
export type Bound<Methods extends Section> = {
	[Name in keyof Methods]: Methods[Name] extends Method<infer Args, infer Result>
		? (...args: Args) => Promise<Result>
		: (...args: unknown[]) => Promise<never>;
};
