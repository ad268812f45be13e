import type { Answer } from "./exchange.ts";
import type { Outcome, PlannedRequest } from "./provider.ts";

/** A provider's own words for an error, for the dead letter. */
export interface Complaint {
	reason?: string | undefined;
	message?: string | undefined;
}

export interface Dialect {
	/** What the error answer says, in the provider's format. */
	complaint(json: Record<string, unknown> | undefined): Complaint;
	/** Answers that mean something other here than by HTTP status alone; undefined for the rest. */
	exception(reply: Reply, complaint: Complaint, request: PlannedRequest): Outcome | undefined;
	/** Whether a 2xx body is a success of this provider. */
	succeeded(json: Record<string, unknown>, request: PlannedRequest): boolean;
}

type Reply = Extract<Answer, { kind: "reply" }>;

const clipped = (text: string | undefined) => text?.slice(0, 300);

/** A success that says nothing we understand. */
export const unreadable = (status: number): Outcome => ({
	kind: "retry",
	reason: "unreadable",
	status,
	unreadable: true,
});

/** What an answer means: the provider's exceptions first, then the HTTP status. */
export function classify(answer: Answer, request: PlannedRequest, dialect: Dialect): Outcome {
	if (answer.kind === "failure") return { kind: "retry", reason: answer.reason };
	if (answer.kind === "unbuildable") return { kind: "rejected", reason: "unbuildable", message: answer.reason };
	const { status, json, empty, retryAfterMs } = answer;
	const complaint = dialect.complaint(json);
	const reason = clipped(complaint.reason) ?? `http_${status}`;
	const exception = dialect.exception(answer, complaint, request);
	if (exception) return exception;
	if (status >= 200 && status < 300) {
		if (empty || (json && dialect.succeeded(json, request)))
			return { kind: "delivered", known: request.ifDelivered, status };
		return unreadable(status);
	}
	if (status === 429) {
		return { kind: "wait", reason, status, ...(retryAfterMs !== undefined && { forMs: retryAfterMs }) };
	}
	if (status === 401 || status === 403) return { kind: "paused", reason, status };
	if (status === 408 || status >= 500) return { kind: "retry", reason, status };
	if (status >= 400) {
		const message = clipped(complaint.message);
		return { kind: "rejected", reason, status, ...(message !== undefined && { message }) };
	}
	// A redirect: not followed, as it would carry the credentials elsewhere.
	return { kind: "retry", reason: `http_${status}`, status };
}
