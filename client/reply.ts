import type { BatchReply, Rejection } from "../shared/wire.ts";

/** What the proxy's answer means for the batch it answers. */
export type Reply =
	/** The batch is on disk, except what it names. */
	| Rejection[]
	/** Too large or unreadable: two halves may not be. */
	| "halve"
	/** Wrong write key or origin: nothing changes before the next page load. */
	| "stop"
	/** Not for so many ms. */
	| number
	/** Anything else: again later. */
	| undefined;

/** No proxy of ours asks for more, and a stranger's answer must not silence a browser for years. */
const longestWait = 86_400_000;

/** Reads an answer. A 202 counts only with our body: a captive portal may answer anything. Rejects where it has none. */
export async function readReply(response: Response): Promise<Reply> {
	const { status, headers } = response;
	if (status === 202) {
		const { accepted, rejected }: BatchReply = await response.json();
		if (typeof accepted === "number" && Array.isArray(rejected)) return rejected;
	}
	if (status === 400 || status === 413) return "halve";
	if (status === 401 || status === 403) return "stop";
	if (status === 429 || status === 503) {
		const ms = Number(headers.get("Retry-After")) * 1_000;
		if (ms > 0) return Math.min(ms, longestWait);
	}
	return undefined;
}

/** Full jitter: anything up to 1 s doubling to 5 min. */
export const backoff = (failures: number, random: () => number): number =>
	random() * Math.min(300_000, 1_000 * 2 ** failures);
