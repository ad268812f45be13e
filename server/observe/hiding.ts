import type { CheckedConfig } from "../config/config.ts";

/** Shorter secrets are not looked for: they would be found in every line. */
const shortest = 6;
const hidden = "***";
/** E-mails, as they are or percent-encoded, and JWTs; before them, to be left alone, what JSON escapes. */
const personal =
	/(\\(?:u[\da-f]{4}|.))|[^\s"'<>()[\]{}:;,/\\@=?&]{1,100}(?:@|%40)[^\s"'<>()[\]{}:;,/\\@=?&]+|\beyJ[\w-]+\.[\w-]*\.[\w-]*/gi;

/** Every secret in a configuration, also as it is sent: whatever is called a key, a token or a secret. */
function secretsIn(value: unknown, name = ""): string[] {
	if (typeof value === "string") {
		const password = name === "store" && URL.canParse(value) ? [new URL(value).password] : [];
		return name !== "writeKey" && /key|token|secret|identifier/i.test(name) ? [value] : password;
	}
	if (Array.isArray(value)) return value.flatMap((each) => secretsIn(each, name));
	if (typeof value !== "object" || value === null) return [];
	const { identifier, key } = value as Record<string, unknown>;
	const basic = identifier === undefined ? [] : [Buffer.from(`${identifier}:${key}`).toString("base64")];
	return [...basic, ...Object.entries(value).flatMap(([inner, each]) => secretsIn(each, inner))];
}

/**
 * Takes a configuration's secrets, and tokens and e-mails of whomever, out of a line of JSON: the last line of defence,
 * for what no other has foreseen.
 */
export function hiding(config: CheckedConfig): (line: string) => string {
	const spelt = secretsIn(config)
		.filter((secret) => secret.length >= shortest)
		.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])
		.toSorted((a, b) => b.length - a.length);
	return (line) => {
		let safe = line;
		for (const secret of spelt) safe = safe.replaceAll(secret, hidden);
		return safe.replace(personal, (_found, escaped?: string) => escaped ?? hidden);
	};
}
