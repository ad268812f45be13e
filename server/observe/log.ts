import { type DestinationStream, type Logger, pino, type SerializedError, stdSerializers } from "pino";

/** What must never be in a log, wherever a provider's words or an error's carry it: credentials, tokens, e-mails, query strings. */
const secrets: [RegExp, string][] = [
	[/\b(Bearer|Basic) +[^\s"']+/gi, "$1 ***"],
	[/\beyJ[\w-]+(?:\.[\w-]*)*/g, "***"],
	[/[^\s@"'<>(),;:=/\\?&]+(?:@|%40)[^\s@"'<>(),;:=/\\?&]+/gi, "***"],
	[/\?[^\s"']*=[^\s"']*/g, "?***"],
];

/** Takes out of a text what must never be in a log. */
export function scrub(text: string): string {
	return secrets.reduce((scrubbed, [pattern, instead]) => scrubbed.replace(pattern, instead), text);
}

const scrubbed = (value: unknown) => (typeof value === "string" ? scrub(value) : value);

/** An error without what it carries along: a body parser's has the body, and a JSON error quotes what it could not read. */
function serializeError(error: unknown): unknown {
	if (!(error instanceof Error)) return scrubbed(error);
	const { type, message, stack }: SerializedError = stdSerializers.err(error);
	const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
	if (error instanceof SyntaxError) return { type, message: "a syntax error", ...code };
	return { type, message: scrub(message), ...code, stack: scrub(stack) };
}

interface LogOptions {
	stream?: DestinationStream;
	/** Goes over each line last, whatever is in it. */
	hide?: (line: string) => string;
}

/** A log of JSON lines, on stderr unless told otherwise. Bodies are never given to it; what else it is given is scrubbed. */
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
