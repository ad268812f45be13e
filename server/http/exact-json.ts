/** A key with an escape in valid JSON, from its last escape to its colon. May match in other texts, but rarely. */
const escapedKey = /\\.[^"\\]*"\s*:/;
/** Tokens of valid JSON: a key with its colon, a string, a number or literal, a bracket. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?|[^\s"{}[\],:]+|[{}[\]]/g;

/**
 * Parses JSON as `JSON.parse` should: right for keys with escapes too. Node 23, 24 before 24.22, 25, and 26 before 26.12
 * compare the spelling of such a key with keys of earlier texts: after `{"a":1,"\\":1}`, whoever sent it,
 * `{"a":1,"\n":1}` is read as `{"a":1,"\\":1}`. See https://github.com/nodejs/node/issues/63785.
 *
 * Throws the SyntaxError of `JSON.parse`; a RangeError where a key has escapes and one string has millions of them.
 */
export function parseJson(text: string): unknown {
	const value: unknown = JSON.parse(text);
	// Guard (SECURITY.md): escaped-keys
	return text.includes("\\") && escapedKey.test(text) ? assemble(text) : value;
}

/** Builds the value of valid JSON from its tokens. Does not recurse, so that any depth is read, as by `JSON.parse`. */
function assemble(text: string): unknown {
	const root: unknown[] = [];
	const open: (unknown[] | object)[] = [];
	let parent: unknown[] | object = root;
	let key = "";
	for (const [token] of text.matchAll(tokens)) {
		if (token.endsWith(":")) key = JSON.parse(token.slice(0, -1));
		else if (token === "}" || token === "]") parent = open.pop() ?? root;
		else {
			const value: unknown = token === "{" ? {} : token === "[" ? [] : JSON.parse(token);
			if (Array.isArray(parent)) parent.push(value);
			// An assignment to `__proto__` would set the prototype.
			else Object.defineProperty(parent, key, { value, configurable: true, enumerable: true, writable: true });
			if (typeof value === "object" && value !== null) {
				open.push(parent);
				parent = value;
			}
		}
	}
	return root[0];
}
