/** Length of a reason or message that is kept, in characters. */
const kept = 300;
/** Length of a text that is looked at. */
const lookedAt = 2_000;

const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;
/**
 * Patterns of what a text may repeat: addresses, whose path or query often is a credential; credentials; e-mails.
 * Captures the scheme and host of an address, and the scheme of a credential.
 */
const personal = String.raw`\b(?:(https?:\/\/)(?:[^\s"'<>/?#]*@)?([^\s"'<>/?#]*)[^\s"'<>]*|(Bearer |Basic )[^\s"']+)|[^\s"'<>(),;:=/\\?&@]{1,100}(?:@|%40)[^\s"'<>(),;:=/\\?&]+`;
/** Matches these in the text of an error, and all long runs of letters, or of letters and digits. */
// Guard (SECURITY.md): own-errors
const secrets = new RegExp(String.raw`${personal}|[\w+/=~.-]{24,}|(?=[a-z_-]*\d)(?=[\d_-]*[a-z])[\w-]{12,}`, "gi");
/** Matches them in the words of the author, whose codes may be long, and what looks like a key for sure. */
const secretsInWords = new RegExp(
	String.raw`${personal}|\b(?:sk|pk|rk|whsec|xox\w|gh\w)[_-](?=[a-z_-]*\d)[\w-]{8,}|(?=[a-z+/=~._-]*\d)[\w+/=~.-]{24,}`,
	"gi",
);

const line = (text: string): string => text.slice(0, kept).replace(unprintable, " ").trim();
const without = (text: string, pattern: RegExp): string =>
	line(
		text
			.slice(0, lookedAt)
			.replace(pattern, (_found, scheme = "", host = "", kind = "") => (scheme ? `${scheme}${host}/…` : `${kind}***`)),
	);

/** Makes a text that its author chose fit to be shown: on one line, clipped, without what is a secret for sure. */
export const cleanReason = (text: string): string => without(text, secretsInWords);

/** Makes any text fit to be shown, without addresses, credentials and e-mails. */
export const clean = (text: string): string => without(text, secrets);

/** Makes a description of what was thrown, of which each part may throw again when it is read. */
function described(thrown: unknown, describe: (error: Error) => string, other: string): string {
	try {
		return thrown instanceof Error ? clean(describe(thrown)) : other;
	} catch {
		return "an error that cannot be read";
	}
}

function words(error: Error): string {
	const { name, message, cause } = error;
	const code = "code" in error && typeof error.code === "string" ? ` ${error.code}` : "";
	const inner = cause instanceof Error ? ` (${"code" in cause ? cause.code : cause.message})` : "";
	return `${name}${code}: ${message}${inner}`;
}

/** Describes what was thrown by its name, code and message, and its cause's. */
export const describeError = (thrown: unknown): string =>
	described(thrown, words, `${typeof thrown}, which is no error`);

function place({ name, stack = "", message }: Error): string {
	const frames = stack.slice(stack.indexOf(message) + message.length);
	const [, file, line] = /([^\s/\\(]+\.[cm]?[jt]s)(?:\?[^:\s]*)?:(\d+):\d+/.exec(frames) ?? [];
	return file === undefined ? name : `${name} at ${file}:${line}`;
}

/** Describes what was thrown without its message, which may quote the event: `TypeError at slack.mjs:12`. */
export const placeOf = (thrown: unknown): string => described(thrown, place, typeof thrown);
