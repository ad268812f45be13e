import type { CheckedConfig } from "../config/config.ts";

/** Length of the shortest secret that is hidden: a shorter one would match parts of every line. */
const shortestHidden = 6;
const hidden = "***";
/** Length from which a part of a destination's address may be a credential. */
const longPart = 16;
/** Matches e-mails, percent-encoded ones too, and JWTs. Captures JSON escapes first, so that they stay as they are. */
const personal =
	/(\\(?:u[\da-f]{4}|.))|[^\s"'<>()[\]{}:;,/\\@=?&]{1,100}(?:@|%40)[^\s"'<>()[\]{}:;,/\\@=?&]+|\beyJ[\w-]{1,512}\.[\w-]{0,8192}\.[\w-]*/gi;

/** Collects the secrets of a configuration by the names of its fields, and the Basic credentials made of them. */
function collectSecrets(value: unknown, name = ""): string[] {
	if (typeof value === "string") {
		if (name === "url") return value.split(/[/?&=]/).filter((part) => part.length >= longPart && !part.includes("."));
		const password = name === "store" && URL.canParse(value) ? [new URL(value).password] : [];
		return name !== "writeKey" && /key|token|secret|identifier/i.test(name) ? [value] : password;
	}
	if (Array.isArray(value)) return value.flatMap((each) => collectSecrets(each, name));
	if (typeof value !== "object" || value === null) return [];
	const { identifier, key } = value as Record<string, unknown>;
	const basic = identifier === undefined ? [] : [Buffer.from(`${identifier}:${key}`).toString("base64")];
	return [...basic, ...Object.entries(value).flatMap(([inner, each]) => collectSecrets(each, inner))];
}

/** Makes a function that removes a configuration's secrets from a text. */
export function hidingSecrets(config: CheckedConfig): (text: string) => string {
	const spellings = collectSecrets(config)
		.filter((secret) => secret.length >= shortestHidden)
		.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])
		.toSorted((a, b) => b.length - a.length);
	return (text) => spellings.reduce((safe, secret) => safe.replaceAll(secret, hidden), text);
}

/**
 * Makes a filter that removes a configuration's secrets, and all e-mails and JWTs, from a line of JSON. It is the last
 * line of defence: code should not log them in the first place.
 */
export function hiding(config: CheckedConfig): (line: string) => string {
	const hideSecrets = hidingSecrets(config);
	return (line) => {
		const safe = hideSecrets(line);
		// Guard (SECURITY.md): log-lines
		return safe.replace(personal, (_found, escaped?: string) => escaped ?? hidden);
	};
}
