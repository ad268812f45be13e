/**
 * What went wrong: `request_failed` (Crisp refused, or could not be reached), `unreadable` (it answered, but not in
 * JSON: what was asked may be done), `withdrawn` (Crisp has no such thing any more), `not_installed` (`crisp-api` is
 * missing), `unauthorized` and `connection` (events do not come).
 */
export type CrispErrorCode =
	| "request_failed"
	| "unreadable"
	| "withdrawn"
	| "not_installed"
	| "unauthorized"
	| "connection";

/** Something about Crisp did not work. Holds no key, address or body. */
export class CrispError extends Error {
	override readonly name = "CrispError";
	readonly code: CrispErrorCode;
	/** Crisp's own word for it: `not_found`, `invalid_data`, …. */
	readonly reason: string | undefined;
	/** The HTTP status, where there was an answer. */
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

/** What the official client rejects with: no Error, and a status of 500 also where there was no answer. */
interface Rejection {
	message: string;
	code: number;
	data: { namespace: "request" | "response"; message: string };
}

const isRejection = (error: unknown): error is Rejection =>
	typeof error === "object" && error !== null && "reason" in error && "code" in error && "data" in error;

/** What a failed request of the official client means. */
export function crispError(error: unknown): unknown {
	if (!isRejection(error)) return error;
	const { message: reason, code: status, data } = error;
	const cause = { cause: error };
	if (data.namespace === "response")
		return new CrispError("request_failed", `Crisp answered ${status} ${reason}`, { ...cause, reason, status });
	// Of a success, what is no JSON: https://github.com/crisp-im/node-crisp-api takes it for no answer.
	if (data.message.endsWith("SyntaxError"))
		return new CrispError("unreadable", "Crisp's answer is not JSON; what was asked may be done", cause);
	return new CrispError("request_failed", `Crisp could not be asked: ${data.message}`, cause);
}
