import type { Plugin } from "rollup";

export declare const namesFile: string;
export declare const hashOf: (code: string) => string;
export declare const readVariables: (code: string) => {
	/** Names of the variables, in the order in which they first appear. */
	names: string[];
	/** Places of the script that name a variable, in order. */
	places: { variable: number }[];
	/** Indexes of the variables that must have another name, for each variable. */
	rivals: number[][];
	text: (names: readonly string[]) => string;
};
export declare const named: (bundle: string) => Plugin;
