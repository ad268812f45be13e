/** Length of a reason or message that is kept, in characters. */
const kept = 300;
/** Length of a text that is looked at. */
const lookedAt = 2_000;

const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;
/**
 * Matches what the text of an error may repeat: addresses, whose path or query often is a credential; credentials;
 * e-mails; long runs of letters and digits. Captures the scheme and host of an address, and the scheme of a credential.
 */
// Guard (SECURITY.md): own-errors
const secrets =
	/\b(?:(https?:\/\/)(?:[^\s"'<>/?#@]*@)?([^\s"'<>/?#]*)[^\s"'<>]*|(Bearer |Basic )[^\s"']+)|[^\s"'<>(),;:=/\\?&@]{1,100}(?:@|%40)[^\s"'<>(),;:=/\\?&]+|[\w+/=~.-]{24,}|(?=[a-z_-]*\d)(?=[\d_-]*[a-z])[\w-]{12,}/gi;

/** Makes a text that its author chose fit to be shown: on one line, clipped, without control characters. */
export const cleanReason = (text: string): string => text.slice(0, kept).replace(unprintable, " ").trim();

/** Makes any text fit to be shown, without addresses, credentials and e-mails. */
export const clean = (text: string): string =>
	cleanReason(
		text
			.slice(0, lookedAt)
			.replace(secrets, (_found, scheme = "", host = "", kind = "") => (scheme ? `${scheme}${host}/…` : `${kind}***`)),
	);

/** Describes what was thrown by its name, code and message, and its cause's. */
export function describeError(thrown: unknown): string {
	if (!(thrown instanceof Error)) return `${typeof thrown}, which is no error`;
	const { name, message, cause } = thrown;
	const code = "code" in thrown && typeof thrown.code === "string" ? ` ${thrown.code}` : "";
	const inner = cause instanceof Error ? ` (${"code" in cause ? cause.code : cause.message})` : "";
	return clean(`${name}${code}: ${message}${inner}`);
}

/** Describes what was thrown without its message, which may quote the event: `TypeError at slack.mjs:12`. */
export function placeOf(thrown: unknown): string {
	if (!(thrown instanceof Error)) return typeof thrown;
	const { name, stack = "", message } = thrown;
	const frames = stack.slice(stack.indexOf(message) + message.length);
	const [, file, line] = /([^\s/\\(]+\.[cm]?[jt]s)(?:\?[^:\s]*)?:(\d+):\d+/.exec(frames) ?? [];
	return clean(file === undefined ? name : `${name} at ${file}:${line}`);
}
