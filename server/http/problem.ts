import { STATUS_CODES } from "node:http";
import type { ErrorRequestHandler, Response } from "express";
import type { Problem, ProblemCode } from "../../shared/wire.ts";
import { StoreUnavailableError } from "../outbox/outbox.ts";

/** The HTTP status of each code. */
export const problemStatuses: Record<ProblemCode, number> = {
	malformed_body: 400,
	invalid_write_key: 401,
	invalid_server_key: 401,
	invalid_admin_token: 401,
	origin_not_allowed: 403,
	invalid_signature: 403,
	not_found: 404,
	method_not_allowed: 405,
	body_too_large: 413,
	unsupported_media_type: 415,
	rate_limited: 429,
	internal_error: 500,
	store_unavailable: 503,
	outcome_unknown: 503,
};

/** Seconds in `Retry-After` when the store is unavailable. */
const storeRetryAfter = 5;

/** Refusal of a request. The client is sent `code` and the message, which is for people. `retryAfter` is in seconds. */
export class RequestError extends Error {
	override readonly name = "RequestError";
	readonly code: ProblemCode;
	readonly retryAfter: number | undefined;
	constructor(code: ProblemCode, message: string, options: ErrorOptions & { retryAfter?: number } = {}) {
		super(message, options);
		this.code = code;
		this.retryAfter = options.retryAfter;
	}
}

const codes = new WeakMap<Response, ProblemCode>();
/** Returns the code of the problem that a request was answered with, if any. */
export const problemCode = (response: Response): ProblemCode | undefined => codes.get(response);

/** Answers with `application/problem+json` (https://www.rfc-editor.org/rfc/rfc9457). `detail` must hold no secret. */
function sendProblem(response: Response, code: ProblemCode, detail: string, retryAfter?: number): void {
	const status = problemStatuses[code];
	codes.set(response, code);
	const problem: Problem = { type: "about:blank", title: STATUS_CODES[status] ?? "", status, code, detail };
	if (code === "invalid_server_key" || code === "invalid_admin_token") response.set("WWW-Authenticate", "Bearer");
	const wait = status === 503 ? storeRetryAfter : retryAfter;
	if (wait !== undefined) response.set("Retry-After", String(wait));
	// Guard (SECURITY.md): readable-problems
	if (response.locals.hasReadableProblems && !response.hasHeader("Access-Control-Allow-Origin")) {
		response.set({ "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After" });
	}
	response.set("X-Content-Type-Options", "nosniff");
	response.status(status).type("application/problem+json").send(JSON.stringify(problem));
}

/**
 * Problems by the `type` of body-parser's errors: https://github.com/expressjs/body-parser#errors. Every other type
 * means a malformed body.
 */
const bodyErrors: Record<string, [ProblemCode, string]> = {
	"encoding.unsupported": ["unsupported_media_type", "the body's encoding is not supported here: send it uncompressed"],
	"charset.unsupported": ["unsupported_media_type", "the body's charset is not supported: send UTF-8"],
};

const storeDetails: Record<StoreUnavailableError["code"], string> = {
	store_unavailable: "the store is not available: try again later",
	outcome_unknown: "the store has not said whether it took this: send it again later, with the same ids",
};

/** Answers every error with a problem. Unexpected errors go to `onUnexpected`, and the client learns nothing of them. */
export function problemHandler(onUnexpected: (error: unknown, response: Response) => void): ErrorRequestHandler {
	return (error, _request, response, next) => {
		if (response.headersSent) return next(error);
		if (error instanceof RequestError) return sendProblem(response, error.code, error.message, error.retryAfter);
		if (error instanceof StoreUnavailableError) {
			onUnexpected(error, response);
			return sendProblem(response, error.code, storeDetails[error.code]);
		}
		// Express throws for a path that cannot be percent-decoded; no route has such a path.
		if (error instanceof URIError) return sendProblem(response, "not_found", "there is nothing here");
		// Errors of body-parser and of zlib have a status. A 4xx status means that the body is wrong.
		if (typeof error?.status === "number" && error.status >= 400 && error.status < 500) {
			if (error.type === "entity.too.large") {
				return sendProblem(response, "body_too_large", `the body is larger than ${error.limit / 1_024} KB`);
			}
			const [code, detail] = bodyErrors[error.type] ?? ["malformed_body", "the body is not valid JSON in UTF-8"];
			return sendProblem(response, code, detail);
		}
		onUnexpected(error, response);
		sendProblem(response, "internal_error", "unexpected error: the proxy's log has its cause");
	};
}
