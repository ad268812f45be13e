import { type DestinationStream, type Logger, pino, type SerializedError, stdSerializers } from "pino";

/** Length of a text that is logged at most. Stacks are shorter. */
// Guard (SECURITY.md): clipped-texts
const textMost = 8_192;

/**
 * Patterns, with replacements, of credentials, tokens, e-mails and query strings in messages of providers and errors.
 * A search that fails at one character must not begin again at the next one, which would take quadratic time.
 */
// Guard (SECURITY.md): linear-patterns
const secrets: [RegExp, string][] = [
	[/\b(Bearer|Basic) +[^\s"']+/gi, "$1 ***"],
	[/\beyJ[\w-]+(?:\.[\w-]*)*/g, "***"],
	[/(?<![^\s@"'<>(),;:=/\\?&])[^\s@"'<>(),;:=/\\?&]+(?:@|%40)[^\s@"'<>(),;:=/\\?&]+/gi, "***"],
	[/\?[^\s"'?=]*=[^\s"']*/g, "?***"],
];

/** Removes credentials, tokens, e-mails and query strings from a text, which is cut first if it is very long. */
export function scrub(text: string): string {
	const clipped = text.length > textMost ? `${text.slice(0, textMost)}…` : text;
	return secrets.reduce((scrubbed, [pattern, replacement]) => scrubbed.replace(pattern, replacement), clipped);
}

const scrubbed = (value: unknown) => (typeof value === "string" ? scrub(value) : value);

/**
 * Reduces an error to type, message, code and stack. Errors of body-parser hold the body, and V8's messages of
 * SyntaxErrors quote the JSON: https://nodejs.org/api/errors.html#class-syntaxerror
 */
function serializeError(error: unknown): unknown {
	if (!(error instanceof Error)) return scrubbed(error);
	const { type, message, stack }: SerializedError = stdSerializers.err(error);
	const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
	if (error instanceof SyntaxError) return { type, message: "a syntax error", ...code };
	return { type, message: scrub(message), ...code, stack: scrub(stack) };
}

interface LogOptions {
	stream?: DestinationStream;
	/** Filters each complete line before it is written. */
	hide?: (line: string) => string;
}

/** Makes a log of JSON lines, on stderr by default. Scrubs every text. Bodies must not be logged. */
export function createLog(level: string, { stream = pino.destination(2), hide }: LogOptions = {}): Logger {
	return pino(
		{
			name: "eventferry",
			level,
			serializers: { err: serializeError, reason: scrubbed, path: scrubbed },
			hooks: {
				...(hide && { streamWrite: hide }),
				logMethod(given, method) {
					method.apply(this, given.map(scrubbed) as typeof given);
				},
			},
		},
		stream,
	);
}
