import type { HttpAnswer } from "./exchange.ts";
import { missingOutcome } from "./existence.ts";
import { isRecord } from "./json.ts";
import type { Outcome, PlannedRequest } from "./provider.ts";

/** An error in the provider's own words, kept in the dead letter. */
interface Complaint {
	reason?: string | undefined;
	message?: string | undefined;
}

/** The meaning of a provider's answers, beyond their HTTP status. */
export interface Dialect {
	/** Reads the complaint from the body of an error answer. */
	complaint(json: Record<string, unknown> | undefined): Complaint;
	/** Error answers with a meaning other than that of their HTTP status. The first exception that fits counts. */
	exceptions: readonly Exception[];
	/** Tells whether the body of a 2xx answer reports a success. */
	succeeded(json: Record<string, unknown>): boolean;
}

/** Meaning of the error answers that meet all the conditions given. */
interface Exception {
	purpose?: readonly PlannedRequest["purpose"][];
	status?: readonly number[];
	reason?: RegExp;
	message?: RegExp;
	means: Outcome["kind"] | ((request: PlannedRequest) => Outcome);
}

/** Lists the texts under a key of each error in an answer like `{ errors: [{ message, … }] }`. */
export function errorTexts(json: Record<string, unknown> | undefined, key: string): string[] {
	const errors = Array.isArray(json?.errors) ? json.errors.filter(isRecord) : [];
	return errors.map((error) => error[key]).filter((text) => typeof text === "string");
}

/** Outcome of a 2xx answer whose body cannot be understood. */
export const unreadable = (status: number): Outcome => ({
	kind: "retry",
	reason: "unreadable",
	status,
	unreadable: true,
});

/** The meaning of an HTTP status. Redirects are not followed, as they would carry the credentials elsewhere. */
function meaningOf(status: number): Outcome["kind"] {
	if (status >= 200 && status < 300) return "delivered";
	if (status === 429) return "wait";
	if (status === 401 || status === 402 || status === 403) return "paused";
	return status < 400 || status === 408 || status >= 500 ? "retry" : "rejected";
}

/** Length of a complaint's texts that is looked at, and the length that is kept. */
const lookedAt = 1_000;
const kept = 300;
const clipped = ({ reason = "", message = "" }: Complaint) => ({
	reason: reason.slice(0, lookedAt),
	message: message.slice(0, lookedAt),
});

/** Classifies an answer: by the provider's exceptions first, then by its HTTP status. */
export function classify(answer: HttpAnswer, request: PlannedRequest, dialect: Dialect): Outcome {
	if (answer.kind === "failure") return { kind: "retry", reason: answer.reason };
	if (answer.kind === "unbuildable") return { kind: "rejected", reason: "unbuildable", message: answer.reason };
	const { status, json, empty, retryAfterMs: forMs } = answer;
	const { reason, message } = clipped(dialect.complaint(json));
	const fits = (each: Exception) =>
		(each.purpose?.includes(request.purpose) ?? true) &&
		(each.status?.includes(status) ?? true) &&
		(each.reason?.test(reason) ?? true) &&
		(each.message?.test(message) ?? true);
	const means = (status >= 400 && dialect.exceptions.find(fits)?.means) || meaningOf(status);
	if (typeof means === "function") return means(request);
	if (status < 300 && !empty && !(json && dialect.succeeded(json))) return unreadable(status);
	const answered = { status, reason: reason.slice(0, kept) || `http_${status}` };
	switch (means) {
		case "delivered":
			return { kind: means, known: request.ifDelivered, status };
		case "wait":
			// Crisp answers 420 as others answer 429: https://docs.crisp.chat/guides/rest-api/rate-limits
			return { kind: means, ...answered, forMs, ...(status !== 429 && status !== 420 && { isUnsure: true }) };
		case "paused":
		case "retry":
			return { kind: means, ...answered };
		case "unknownPerson":
			return missingOutcome(request, status);
		case "rejected":
			return { kind: means, ...answered, message: message.slice(0, kept) || undefined };
	}
}
