import type { BatchReply, Problem, ProblemCode } from "../shared/wire.ts";

/** What the proxy's answer means for the batch it answers. */
export type Reply =
	/** The batch is on disk, except what it names. */
	| BatchReply["rejected"]
	/** Too large or unreadable: two halves may not be. */
	| true
	/** Wrong write key or origin, where the answer tells which: nothing changes before the next page load. */
	| `${ProblemCode | number}`
	/** Not for so many ms. */
	| number
	/** Anything else: again later. */
	| undefined;

/** No proxy of ours asks for more, and neither a stranger's answer nor a wrong clock may silence a browser for years. */
export const longestWait = 86_400_000;

/**
 * Reads the answer to so many events. What loses or acknowledges an event counts only in our words: a captive portal
 * may answer anything. Halving loses nothing, so several are halved on anybody's 400 or 413.
 */
export async function readReply(response: Response, events: number): Promise<Reply> {
	const { status } = response;
	const { accepted, rejected, code }: Partial<BatchReply & Problem> = (await response.json().catch(() => null)) ?? {};
	if (status === 202 && typeof accepted === "number" && Array.isArray(rejected)) return rejected;
	if (code === "malformed_body" || code === "body_too_large" || (events > 1 && (status === 400 || status === 413))) {
		return true;
	}
	if (status === 401 || status === 403) return `${code ?? status}`;
	if (status === 429 || status === 503) {
		const ms = (response.headers.get("Retry-After") as unknown as number) * 1_000;
		if (ms > 0) return Math.min(ms, longestWait);
	}
	return undefined;
}

/** Full jitter: anything up to 1 s doubling to 5 min; `random` is from 0 to 1. */
export const backoff = (failures: number, random: number): number => random * Math.min(300_000, 1_000 * 2 ** failures);
