import type { BatchReply, Problem } from "../shared/wire.ts";

/** Meaning of an answer for the batch that was sent. */
export type Reply =
	/** The proxy has stored the batch, except for the events in `_rejected`. */
	(
		| { _kind: "accepted"; _rejected: BatchReply["rejected"] }
		/** The proxy found the body malformed or, with `_isLarge`, too large. Half of the batch may be accepted. */
		| { _kind: "refused"; _isLarge: boolean }
		/** The write key or the origin is wrong, as the proxy's `_code` says. */
		| { _kind: "stopped"; _code: string }
		/** The proxy asks for a pause of `_ms`. */
		| { _kind: "wait"; _ms: number }
		/** Any other answer, or none. */
		| { _kind: "failed" }
	) & {
		/** Error of the browser, if it ended the request without an answer. */
		_cause?: unknown;
	};

/**
 * Longest pause in ms, a day. The proxy never asks for a longer one. The answer of another server, or a wrong clock, must
 * not silence a browser for years.
 */
export const longestWait = 86_400_000;

/**
 * Reads the answer to a batch. Only an answer in the proxy's own format acknowledges, splits or stops anything, as a
 * captive portal or a firewall may answer anything.
 * @throws Error of the browser that ended the answer before its end.
 */
export async function readReply(response: Response): Promise<Reply> {
	const { status } = response;
	const { accepted, rejected, code }: Partial<BatchReply & Problem> =
		(await response.json().catch((cause) => {
			if (cause?.name !== "SyntaxError") throw cause;
		})) ?? {};
	if (status === 202 && typeof accepted === "number" && Array.isArray(rejected)) {
		return { _kind: "accepted", _rejected: rejected };
	}
	const isLarge = code === "body_too_large";
	if (isLarge || code === "malformed_body") return { _kind: "refused", _isLarge: isLarge };
	if (code === "invalid_write_key" || code === "origin_not_allowed") return { _kind: "stopped", _code: code };
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
