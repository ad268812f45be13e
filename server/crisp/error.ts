/**
 * Kind of an error: `request_failed` (Crisp refused, or could not be reached), `unreadable` (Crisp answered, but not in
 * JSON, so that the request may have taken effect), `withdrawn` (Crisp has removed the method), `not_installed`
 * (`crisp-api` is missing), `unauthorized` (the token is refused for events), `connection` (no events arrive).
 */
export type CrispErrorCode =
	| "request_failed"
	| "unreadable"
	| "withdrawn"
	| "not_installed"
	| "unauthorized"
	| "connection";

/** Error of `createCrisp()`'s methods and events. Contains no key, address or body. */
export class CrispError extends Error {
	override readonly name = "CrispError";
	readonly code: CrispErrorCode;
	/** Crisp's own reason: `not_found`, `invalid_data`, …. */
	readonly reason: string | undefined;
	/** HTTP status; undefined if there was no answer. */
	readonly status: number | undefined;
	constructor(
		code: CrispErrorCode,
		message: string,
		{ reason, status, ...options }: ErrorOptions & { reason?: string; status?: number } = {},
	) {
		super(message, options);
		this.code = code;
		this.reason = reason;
		this.status = status;
	}
}

/** Rejection of the official client, which is no Error and has `code: 500` if there was no answer. */
interface Rejection {
	/** Crisp's `reason`: text, unless something else answered in its place. */
	message: unknown;
	code: number;
	data: { namespace: "request" | "response"; message: string };
}

const isRejection = (error: unknown): error is Rejection =>
	typeof error === "object" && error !== null && "reason" in error && "code" in error && "data" in error;

/** Maximum length of a reason: errors are logged, and Crisp's words may be as long as its answer. */
const reasonMost = 300;

/** Turns a rejection of the official client into a {@link CrispError}; returns other errors unchanged. */
export function crispError(error: unknown): unknown {
	if (!isRejection(error)) return error;
	const { code: status, data } = error;
	const reason = String(error.message).slice(0, reasonMost);
	const cause = { cause: error };
	if (data.namespace === "response")
		return new CrispError("request_failed", `Crisp answered ${status} ${reason}`, { ...cause, reason, status });
	// A success without JSON, which the official client reports as if there was no answer:
	// https://github.com/crisp-im/node-crisp-api
	if (data.message.endsWith("SyntaxError"))
		return new CrispError("unreadable", "Crisp's answer is not JSON; the request may have taken effect", cause);
	return new CrispError("request_failed", `Crisp could not be reached: ${data.message}`, cause);
}
