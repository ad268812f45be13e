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
};

/** Seconds in `Retry-After` when the store is unavailable. */
const storeRetryAfter = 5;

/**
 * Refuses a request with a stable code. The message is for people and is sent to the client. `retryAfter` is in seconds.
 */
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
	const wait = code === "store_unavailable" ? storeRetryAfter : retryAfter;
	if (wait !== undefined) response.set("Retry-After", String(wait));
	response.set("X-Content-Type-Options", "nosniff");
	response.status(status).type("application/problem+json").send(JSON.stringify(problem));
}

/**
 * Problems for the `type` of body-parser's errors (https://github.com/expressjs/body-parser#errors); other types are a
 * malformed body.
 */
const bodyErrors: Record<string, [ProblemCode, string]> = {
	"encoding.unsupported": [
		"unsupported_media_type",
		"the body's encoding is not supported: send it plain, gzip, deflate or br",
	],
	"charset.unsupported": ["unsupported_media_type", "the body's charset is not supported: send UTF-8"],
};

/**
 * Answers every error with a problem. Passes unexpected errors to `unforeseen` and tells the client nothing of them.
 */
export function problemHandler(unforeseen: (error: unknown, response: Response) => void): ErrorRequestHandler {
	return (error, _request, response, next) => {
		if (response.headersSent) return next(error);
		if (error instanceof RequestError) return sendProblem(response, error.code, error.message, error.retryAfter);
		if (error instanceof StoreUnavailableError) {
			unforeseen(error, response);
			return sendProblem(response, "store_unavailable", "the event store is not available now; nothing was accepted");
		}
		// Errors of body-parser and of zlib have a status; with a 4xx one, the client sent something wrong.
		if (typeof error?.status === "number" && error.status >= 400 && error.status < 500) {
			if (error.type === "entity.too.large") {
				return sendProblem(response, "body_too_large", `the body is larger than ${error.limit / 1_024} KB`);
			}
			const [code, detail] = bodyErrors[error.type] ?? ["malformed_body", "the body is not valid JSON in UTF-8"];
			return sendProblem(response, code, detail);
		}
		// Express throws for a path that cannot be percent-decoded; no route has such a path.
		if (error instanceof URIError) return sendProblem(response, "not_found", "there is nothing here");
		unforeseen(error, response);
		sendProblem(response, "internal_error", "something went wrong here; the event was not accepted");
	};
}
