import type { BatchReply, Problem } from "../shared/wire.ts";
import { attempt } from "./attempt.ts";
import { parseJson } from "./originals.ts";

/** Meaning of an answer for the batch that was sent. Without any of these the batch has failed. */
export interface Reply {
	/** Events that the proxy has refused. All others are stored. */
	_rejected?: BatchReply["rejected"];
	/** The proxy refuses the body. Half of the batch may be accepted. */
	_refusal?: "malformed_body" | "body_too_large";
	/** Reason for which nothing can be sent: the write key, the origin or the proxy's address is wrong. */
	_stop?: string;
	/** Pause in ms that the proxy asks for. 0 or NaN if it names none. */
	_ms?: number;
	/** True if a request was made and had no answer. */
	_isLost?: unknown;
}

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
export const readReply = async (response: Response): Promise<Reply> => {
	const { status } = response;
	const text = await response.text();
	const { accepted, rejected, code } = (attempt(() => parseJson(text)) ?? {}) as Partial<BatchReply & Problem>;
	if (status === 202 && typeof accepted === "number" && Array.isArray(rejected)) return { _rejected: rejected };
	if (code === "malformed_body" || code === "body_too_large") return { _refusal: code };
	if (code === "invalid_write_key" || code === "origin_not_allowed") return { _stop: code };
	if (status !== 429 && status !== 503) return {};
	return { _ms: Math.min((response.headers.get("Retry-After") as unknown as number) * 1_000, longestWait) };
};

/**
 * Backoff in ms with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): a random
 * time up to 1 s, doubling with each failure to 5 min. `random` is from 0 to 1.
 */
export const backoff = (failures: number, random: number): number => random * Math.min(300_000, 1_000 * 2 ** failures);
