import { RequestError } from "../http/problem.ts";
import { isObject } from "../ingest/tidy-event.ts";

/** Maximum number of calls in a batch, as Segment has it. */
// Guard (SECURITY.md): segment-calls
const callsMost = 2_500;

/** Types of calls by the last segment of the path, for the routes that take one call. */
export const typeOfPath = {
	identify: "identify",
	track: "track",
	page: "page",
	screen: "screen",
	group: "group",
	alias: "alias",
	// Analytics.js shortens each type to its first letter.
	i: "identify",
	t: "track",
	p: "page",
	s: "screen",
	g: "group",
	a: "alias",
} as const;

/** The calls of a request, not checked yet. */
export interface Calls {
	calls: unknown[];
	/** Type of each call; undefined where each call of a batch says its own. */
	type: string | undefined;
	/** Write key, if the body names one. */
	writeKey: string | undefined;
	/** Time of sending by the sender's clock. */
	sentAt: unknown;
}

/** Reads the calls of a body: one call of a type or, without a type, a batch. Throws `malformed_body`. */
export function readCalls(json: unknown, type: string | undefined): Calls {
	if (!isObject(json)) throw new RequestError("malformed_body", "the body is not a JSON object");
	const { batch, sentAt, writeKey } = json;
	const rest = { type, sentAt, writeKey: typeof writeKey === "string" ? writeKey : undefined };
	if (type !== undefined) return { ...rest, calls: [json] };
	if (!Array.isArray(batch)) throw new RequestError("malformed_body", "batch: must be a list of calls");
	if (batch.length > callsMost) throw new RequestError("malformed_body", `batch: must have at most ${callsMost} calls`);
	return { ...rest, calls: batch };
}
