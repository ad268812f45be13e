/** Person as an event names them. */
interface Named {
	email?: string | undefined;
	userId?: string | undefined;
}

const first = ([text = ""]: Iterable<string>) => `${text}***`;

/** Masks an e-mail, for pages that others may see: `a***@example.com`. */
function maskedEmail(email: string): string {
	return first(email) + email.slice(email.lastIndexOf("@"));
}

/** Masks a person, by the e-mail or else the userId: `a***@example.com`, `u***`. */
export const masked = ({ email, userId = "" }: Named): string =>
	email === undefined ? first(userId) : maskedEmail(email);

/** Masks the e-mails within a text, such as a provider's message, percent-encoded ones too. */
export const maskedText = (text: string): string =>
	text.replace(
		/([^\s@"'<>(),;:=]{1,100}?)((?:@|%40)[^\s@"'<>(),;:=]+)/gi,
		(_found, [name = ""]: string, rest: string) => first(name) + rest,
	);

/** Keys whose text is a word of an API, not of a person. */
const plainKeys = new Set(["code", "error", "field", "operator", "property", "reason", "status", "type"]);
const email = /^[^\s@]+@[^\s@]+$/;
/** Number from which one may be an id or a telephone number. */
const longNumber = 1_000_000;

/**
 * Masks the values of JSON, which may be about a person, and keeps its form. Words of an API, short numbers and the
 * texts in `plain`, such as the event's name, stay.
 */
export function maskedJson(value: unknown, plain: readonly string[] = [], key = ""): unknown {
	if (typeof value === "string") {
		if (value === "" || plain.includes(value) || (plainKeys.has(key) && /^[\w.:-]*$/.test(value))) return value;
		return email.test(value) ? maskedEmail(value) : first(value);
	}
	if (typeof value === "number") return Math.abs(value) < longNumber ? value : "***";
	if (Array.isArray(value)) return value.map((each) => maskedJson(each, plain, key));
	if (typeof value !== "object" || value === null) return value;
	const entries = Object.entries(value).map(([name, each]) => [
		email.test(name) ? maskedEmail(name) : name,
		maskedJson(each, plain, name),
	]);
	return Object.fromEntries(entries);
}
