/** Built-ins that work whatever the page has put in their place. */
const { parse, stringify } = JSON;

export const parseJson: (text: string) => unknown = parse;

type Convertible = { toJSON?: unknown } | null | undefined;
type Replacer = (this: Record<string, Convertible>, key: string, converted: unknown) => unknown;

/**
 * Serialises as JSON, with U+FFFD in place of lone surrogates, as in a cut emoji. Ignores a `toJSON` of all arrays or all
 * objects, with which the library Prototype 1.6 turns arrays into text.
 */
export function toJson(value: unknown): string {
	const { toJSON }: { toJSON?: unknown } = [] as object;
	const replacer: Replacer | false | unknown =
		toJSON &&
		(function (key, converted) {
			const found = this[key]?.toJSON;
			return found === toJSON || found === ({} as { toJSON?: unknown }).toJSON ? this[key] : converted;
		} satisfies Replacer);
	const json: string | undefined = stringify(value, replacer as never);
	// An escape sequence of more than two characters is a lone surrogate, as the first part of `\u0007` matches alone.
	return json?.replace(/\\(ud...|.)/g, (found) => (found[2] ? "\ufffd" : found)) as string;
}

/** Makes whole milliseconds of a time, by default now. A `Date.now` that the page has replaced may give anything. */
export const readClock = (time: unknown = Date.now()): number =>
	// biome-ignore lint/complexity/useDateNow: it has just failed
	Math.floor(time as number) || +new Date();
