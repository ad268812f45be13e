/** Matches a key with an escape in valid JSON, from its last escape to its colon. Seldom matches anything else. */
const escapedKey = /\\.[^"\\]*"\s*:/;
/** Tokens of valid JSON: a key with its colon, a string, a number or literal, a bracket. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?|[^\s"{}[\],:]+|[{}[\]]/g;

/**
 * Parses JSON as `JSON.parse` does, but also reads keys with escapes correctly. Node 23, 24 before 24.22, 25, and 26
 * before 26.12 can mistake such a key for a key of an earlier text, whoever sent that: after `{"a":1,"\\":1}`,
 * `{"a":1,"\n":1}` is read as `{"a":1,"\\":1}`. See https://github.com/nodejs/node/issues/63785.
 *
 * Throws the SyntaxError of `JSON.parse`, or a RangeError if a key has escapes and one string has millions of them.
 */
export function parseJson(text: string): unknown {
	const value: unknown = JSON.parse(text);
	// Guard (SECURITY.md): escaped-keys
	return text.includes("\\") && escapedKey.test(text) ? assemble(text) : value;
}

/** Builds the value of valid JSON from its tokens. Does not recurse, so that it reads any depth, as `JSON.parse` does. */
function assemble(text: string): unknown {
	const root: unknown[] = [];
	const ancestors: (unknown[] | object)[] = [];
	let parent: unknown[] | object = root;
	let key = "";
	for (const [token] of text.matchAll(tokens)) {
		if (token.endsWith(":")) key = JSON.parse(token.slice(0, -1));
		else if (token === "}" || token === "]") parent = ancestors.pop() ?? root;
		else {
			const value: unknown = token === "{" ? {} : token === "[" ? [] : JSON.parse(token);
			if (Array.isArray(parent)) parent.push(value);
			// An assignment to `__proto__` would set the prototype.
			else Object.defineProperty(parent, key, { value, configurable: true, enumerable: true, writable: true });
			if (typeof value === "object" && value !== null) {
				ancestors.push(parent);
				parent = value;
			}
		}
	}
	return root[0];
}
