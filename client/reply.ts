import type { BatchReply, Problem, ProblemCode } from "../shared/wire.ts";

/** Meaning of an answer for the batch that was sent. */
export type Reply =
	/** The proxy has stored the batch, except for the events in `_rejected`. */
	| { _kind: "accepted"; _rejected: BatchReply["rejected"] }
	/** The body was too large or unreadable. Half of the batch may be accepted. */
	| { _kind: "refused" }
	/** The write key or the origin is wrong. `_code` is the code of the proxy's problem, or else the HTTP status. */
	| { _kind: "stopped"; _code: `${ProblemCode | number}` }
	/** The proxy asks for a pause of `_ms`. */
	| { _kind: "wait"; _ms: number }
	/** Any other answer, or none. */
	| { _kind: "failed" };

/**
 * Longest pause in ms, a day. The proxy never asks for a longer one. The answer of another server, or a wrong clock, must
 * not silence a browser for years.
 */
export const longestWait = 86_400_000;

/**
 * Reads the answer to a batch. Only an answer in the proxy's own format acknowledges or drops an event, as a captive
 * portal or a firewall may answer anything. Any 400 or 413 halves a batch of several events, which loses nothing.
 * @param events Number of events in the batch.
 */
export async function readReply(response: Response, events: number): Promise<Reply> {
	const { status } = response;
	const { accepted, rejected, code }: Partial<BatchReply & Problem> = (await response.json().catch(() => null)) ?? {};
	if (status === 202 && typeof accepted === "number" && Array.isArray(rejected)) {
		return { _kind: "accepted", _rejected: rejected };
	}
	if (code === "malformed_body" || code === "body_too_large" || (events > 1 && (status === 400 || status === 413))) {
		return { _kind: "refused" };
	}
	if (status === 401 || status === 403) return { _kind: "stopped", _code: `${code ?? status}` };
	if (status === 429 || status === 503) {
		const ms = (response.headers.get("Retry-After") as unknown as number) * 1_000;
		if (ms > 0) return { _kind: "wait", _ms: Math.min(ms, longestWait) };
	}
	return { _kind: "failed" };
}

/**
 * Backoff in ms with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): a random
 * time up to 1 s, doubling with each failure to 5 min. `random` is from 0 to 1.
 */
export const backoff = (failures: number, random: number): number => random * Math.min(300_000, 1_000 * 2 ** failures);
