import type { Crisp } from "crisp-api";

/** The part of the official client that has all methods of its REST API for websites. */
export type Official = Crisp["website"];

/** The official methods for websites, and `rest` for routes whose official method leaves arguments out. */
export type Callee = Official & { rest: Pick<Crisp, "get" | "prepareRestUrl"> };

/** A method of Crisp's first Node client, with its route and its name in today's official client. */
export interface Method {
	route: string;
	/** Name of the method in the official client. */
	officialName: keyof Official;
	/** Difference from the first client's documentation. */
	note?: string;
	/** Calls the official method. Absent if it takes the same arguments. */
	call?(official: Callee, ...args: never): Promise<unknown>;
}

/** A method that Crisp has withdrawn. */
export interface Withdrawn {
	/** Route before the withdrawal. */
	route: string;
	/** Replacement, in words. */
	instead: string;
}

export type Section = Record<string, Method | Withdrawn>;

/** A section's methods as users call them. Results that the official client declares as `any` are `unknown`. */
export type Bound<Methods extends Section> = {
	[Name in keyof Methods]: Methods[Name] extends { call(official: Callee, ...args: infer Args): infer Result }
		? (...args: Args) => Result
		: Methods[Name] extends { officialName: infer OfficialName extends keyof Official }
			? Passed<Official[OfficialName]>
			: (...args: unknown[]) => Promise<never>;
};
type Passed<Call> = Call extends (...args: infer Args) => Promise<infer Result>
	? (...args: Args) => Promise<unknown extends Result ? unknown : Result>
	: never;
