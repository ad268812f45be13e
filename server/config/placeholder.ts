import { isRecord } from "../providers/json.ts";
import { isSecret } from "./secrets.ts";

/** Nouns of documentation: `your-shop`. Not one of a name that is somebody's own, such as `db.your-server.de`. */
const nouns = "api|app|company|db|domain|host|key|name|password|secret|server|shop|site|store|token|website|write";

/** Words in texts that stand for a value in documentation: `your-key`, `changeme`. */
const words = [
	new RegExp(`(^|[^a-z])your[-_ ](own[-_ ])?(${nouns})(?!\\w*\\.de\\b)`, "i"),
	/^your(api|domain|key|secret|server|shop|site|token|write)/i,
	/(^|[^a-z])(change|replace)[-_ ]?(me|this)([^a-z]|$)/i,
	/placeholder/i,
];

/** Forms of texts that stand for a value: `site_…`, `<key>`, `${KEY}`. */
const patterns = [
	/…|\.\.\./,
	/^<[^<>]*>$/,
	/:\/\/[^/]*<[^<>]*>/,
	/^(todo|x{3,})$/i,
	/^\$([A-Z_]+|\{\w+\})$|^\{\{.*\}\}$/,
	/:\/\/user:password@/,
];

/** Matches a text in which letters and digits alternate often, as in random ones only. */
const random = /(?:[a-z]+\d+){4}/i;

/** Texts that are no name of an event or attribute either. */
const noName = /^(…|\.\.\.|<[^<>]*>)$/;
/** Options whose texts are names of events and attributes, which may be nearly anything. */
const named = new Set(["rules", "inbound", "attributes", "events", "createPeople", "standardEvents"]);

/** Tells whether a value was pasted from documentation and not replaced. A secret is not an example either, unless it is a longer random text. */
export const isPlaceholder = (value: string, name = ""): boolean =>
	patterns.some((pattern) => pattern.test(value)) ||
	(!random.test(value) && (words.some((word) => word.test(value)) || (isSecret(name) && /example/i.test(value))));

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
