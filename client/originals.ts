import { attempt } from "./attempt.ts";

/** Built-ins that work whatever the page has put in their place. */
const { parse, stringify } = JSON;

export const parseJson: (text: string) => unknown = parse;

type Convertible = { toJSON?: unknown } | null | undefined;
type Replacer = (this: Record<string, Convertible>, key: string, converted: unknown) => unknown;

/**
 * Serialises as JSON, with U+FFFD in place of lone surrogates, as in a cut emoji. Ignores a `toJSON` of all arrays or all
 * objects, with which the library Prototype 1.6 turns arrays into text.
 */
export const toJson = (value: unknown): string => {
	const { toJSON }: { toJSON?: unknown } = [] as object;
	const replacer: Replacer | false | unknown =
		toJSON &&
		(function (key, converted) {
			const found = this[key]?.toJSON;
			return found === toJSON || found === ({} as { toJSON?: unknown }).toJSON ? this[key] : converted;
		} satisfies Replacer);
	const json: string = stringify(value, replacer as never);
	// A lone surrogate is escaped as `\ud...`. Matches escaped backslashes too, as `ud` after one of them is text.
	return json?.replace(/(\\\\)|\\ud.../g, (_, kept = "\ufffd") => kept);
};

/**
 * Makes whole milliseconds of a time, by default now. A `Date.now` that the page has replaced may give or throw anything;
 * then the time is that of the page's start and what has passed since.
 */
export const readClock = (time?: unknown): number => {
	const ms = attempt(() => Math.floor((time ?? Date.now()) as number)) as number;
	return ms > 0 && ms < 1e14 ? ms : readClock(performance.timeOrigin + performance.now());
};
