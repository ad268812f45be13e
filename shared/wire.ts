import * as z from "zod";
import { limits } from "./event.ts";

const events = z.array(z.unknown()).max(limits.batchEvents);

/** The body of `POST /v1/batch`, from browsers. Its events are checked one by one, so that a bad one costs the others nothing. */
export const batchSchema = z.object({
	writeKey: z.string(),
	/** The sender's clock when it sent, ms since the epoch: what its capture times are corrected by. */
	sentAt: z.number(),
	events,
});

/** The body of `POST /v1/events`, from the backend. */
export const eventsSchema = z.object({ events });

/** Why one event of a batch was not taken. */
export type EventCode =
	| "invalid_event"
	| "identity_required"
	| "invalid_identity_token"
	| "identity_token_expired"
	| "event_too_large";

/** Why a whole request was not taken: the `code` of an `application/problem+json` answer. */
export type ProblemCode =
	| "malformed_body"
	| "invalid_write_key"
	| "invalid_server_key"
	| "invalid_admin_token"
	| "origin_not_allowed"
	| "invalid_signature"
	| "not_found"
	| "method_not_allowed"
	| "body_too_large"
	| "unsupported_media_type"
	| "rate_limited"
	| "store_unavailable"
	| "internal_error";

/** One event that was not taken. `id` is null where the event had none that could be read. */
export interface Rejection {
	id: string | null;
	code: EventCode;
	message: string;
}

/** The body of a 202: `accepted` events are on disk. */
export interface BatchReply {
	accepted: number;
	rejected: Rejection[];
}

/** The body of every error answer (RFC 9457). */
export interface Problem {
	type: string;
	title: string;
	status: number;
	code: ProblemCode;
	detail: string;
}
