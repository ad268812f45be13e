import * as z from "zod";
import { limits } from "./event.ts";

// Guard (SECURITY.md): batch-size
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
const eventCodes = [
	"invalid_event",
	"identity_required",
	"invalid_identity_token",
	"identity_token_expired",
	"event_too_large",
] as const;
export type EventCode = (typeof eventCodes)[number];

/** Why a whole request was not taken: the `code` of an `application/problem+json` answer. */
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
	"internal_error",
] as const;
export type ProblemCode = (typeof problemCodes)[number];

/** One event that was not taken. `id` is null where the event had none that could be read. */
const rejectionSchema = z.object({ id: z.string().nullable(), code: z.enum(eventCodes), message: z.string() });
export type Rejection = z.infer<typeof rejectionSchema>;

/** The body of a 202: `accepted` events are on disk. */
export const batchReplySchema = z.object({ accepted: z.number(), rejected: z.array(rejectionSchema) });
export type BatchReply = z.infer<typeof batchReplySchema>;

/** The body of every error answer (RFC 9457). */
export const problemSchema = z.object({
	type: z.string(),
	title: z.string(),
	status: z.number(),
	code: z.enum(problemCodes),
	detail: z.string(),
});
export type Problem = z.infer<typeof problemSchema>;
