import * as z from "zod";
import { limits } from "./event.ts";

// Guard (SECURITY.md): batch-size
const events = z.array(z.unknown()).max(limits.batchEvents);

/** Body of `POST /v1/batch`, from browsers. Events are checked one by one later, so that an invalid one loses no other. */
export const batchSchema = z.object({
	writeKey: z.string(),
	/** Time of sending by the browser's clock, ms since the epoch. Capture times are corrected by the error of that clock. */
	sentAt: z.number(),
	events,
});

/** Body of `POST /v1/events`, from the backend. */
export const eventsSchema = z.object({ events });

/** Reasons for which one event of a batch is refused. */
const eventCodes = [
	"invalid_event",
	"identity_required",
	"invalid_identity_token",
	"identity_token_expired",
	"event_too_large",
] as const;
export type EventCode = (typeof eventCodes)[number];

/** Reasons for which a whole request is refused: the `code` of an `application/problem+json` answer. */
const problemCodes = [
	"malformed_body",
	"invalid_write_key",
	"invalid_server_key",
	"invalid_admin_token",
	"origin_not_allowed",
	"invalid_signature",
	"not_found",
	"method_not_allowed",
	"body_too_large",
	"unsupported_media_type",
	"rate_limited",
	"store_unavailable",
	"outcome_unknown",
	"internal_error",
] as const;
export type ProblemCode = (typeof problemCodes)[number];

/** Refusal of one event. `id` is null if the event has no readable id. */
const rejectionSchema = z.object({ id: z.string().nullable(), code: z.enum(eventCodes), message: z.string() });
export type Rejection = z.infer<typeof rejectionSchema>;

/** Body of a 202: the number of stored events, and the refused events. */
export const batchReplySchema = z.object({ accepted: z.number(), rejected: z.array(rejectionSchema) });
export type BatchReply = z.infer<typeof batchReplySchema>;

/** Body of every error answer: problem details (https://www.rfc-editor.org/rfc/rfc9457). */
export const problemSchema = z.object({
	type: z.string(),
	title: z.string(),
	status: z.number(),
	code: z.enum(problemCodes),
	detail: z.string(),
});
export type Problem = z.infer<typeof problemSchema>;
