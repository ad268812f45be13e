import { isRecord } from "../providers/json.ts";
import { isSecret } from "./secrets.ts";

/** Texts that stand for a value in documentation: `site_…`, `<key>`, `your-key`, `changeme`, `${KEY}`. */
const patterns = [
	/…|\.\.\./,
	/^<[^<>]*>$/,
	/:\/\/[^/]*<[^<>]*>/,
	/(^|[^a-z])your[-_ ]/i,
	/^your(api|domain|key|secret|server|shop|site|token|write)/i,
	/(change|replace)[-_ ]?(me|this)/i,
	/placeholder/i,
	/^(todo|x{3,})$/i,
	/^\$\{?\w+\}?$|^\{\{.*\}\}$/,
	/:\/\/user:password@/,
];

/** Texts that are no name of an event or attribute either. */
const noName = /^(…|\.\.\.|<[^<>]*>)$/;
/** Options whose texts are names of events and attributes, which may be nearly anything. */
const named = new Set(["rules", "inbound", "attributes", "events", "createPeople", "standardEvents"]);

/** Tells whether a value was pasted from documentation and not replaced. A secret is not an example either. */
export const isPlaceholder = (value: string, name = ""): boolean =>
	patterns.some((pattern) => pattern.test(value)) || (isSecret(name) && /example/i.test(value));

export const placeholderMessage = "is still a placeholder from the documentation: put your own value in its place";

/** Finds the paths of placeholders in a configuration, which need not be checked yet. */
export function placeholdersIn(value: unknown, path: string[] = []): string[][] {
	if (Array.isArray(value)) return value.flatMap((each, index) => placeholdersIn(each, [...path, String(index)]));
	if (isRecord(value)) return Object.entries(value).flatMap(([name, inner]) => placeholdersIn(inner, [...path, name]));
	if (typeof value !== "string") return [];
	const option = path.findLast((each) => !/^\d+$/.test(each));
	const isName = path.some((each) => named.has(each));
	return (isName ? noName.test(value) : isPlaceholder(value, option)) ? [path] : [];
}
