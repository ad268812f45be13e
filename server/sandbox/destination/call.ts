import { type Answering, createReceiver, type SentRequest } from "./receiver.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** Time limit of a call, ms. The proxy's is 10 s. */
const limitMs = 2_000;
/** Time limit where no request is answered, ms. */
const cutMs = 50;
/** Time in which a call must end once its signal is aborted, ms. */
const patienceMs = 500;
/** Time from which a function blocks the loop, ms. */
const blockedMs = 1_000;

/** A call of a function, and what came of it. */
export interface Called extends Verdict {
	sent: SentRequest[];
	/** Number of requests that were not answered when the call ended. */
	leftUnderWay: number;
	/** Set if the function threw: its error's name and message. */
	threw?: string;
	/** True if the call did not end by itself, or after its signal was aborted. */
	isEndless: boolean;
	/** Time for which the call blocked the loop at first, ms; 0 if it did not. */
	blockedMs: number;
}

export interface CallOptions {
	answer: Answering;
	known: Record<string, unknown>;
	/** True to abort the call's signal soon, as the proxy does after 10 s. */
	isCut?: boolean;
}

const endless = Symbol("endless");

/** Names what was thrown, of which each part may throw again when it is read. */
export function nameOf(thrown: unknown): string {
	try {
		return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `${typeof thrown}, which is no error`;
	} catch {
		return "an error that cannot be read";
	}
}

/** Calls a function as the proxy does, with a `fetch` that reaches nobody. */
export async function callOnce(
	call: (sending: object) => unknown,
	{ answer, known, isCut = false }: CallOptions,
): Promise<Called> {
	const limit = new AbortController();
	const { fetch, sent, underWay } = createReceiver(limit.signal, answer);
	const timer = setTimeout(
		() => limit.abort(new DOMException("the time limit is over", "TimeoutError")),
		isCut ? cutMs : limitMs,
	);
	let last: NodeJS.Timeout | undefined;
	const given = new Promise<typeof endless>((resolve) => {
		last = setTimeout(resolve, (isCut ? cutMs : limitMs) + patienceMs, endless);
	});
	const startedAt = performance.now();
	let blocked = 0;
	try {
		const answering = (async () => {
			try {
				return call({ fetch, signal: limit.signal, known: structuredClone(known) });
			} finally {
				const ms = performance.now() - startedAt;
				blocked = ms > blockedMs ? Math.round(ms) : 0;
			}
		})();
		answering.catch(() => {});
		const result = await Promise.race([answering, given]);
		const common = { sent, leftUnderWay: underWay(), isEndless: result === endless, blockedMs: blocked };
		return result === endless ? { kind: "retry", ...common } : { ...verdictOf(result), ...common };
	} catch (thrown) {
		return {
			kind: "retry",
			threw: nameOf(thrown),
			sent,
			leftUnderWay: underWay(),
			isEndless: false,
			blockedMs: blocked,
		};
	} finally {
		clearTimeout(timer);
		clearTimeout(last);
	}
}
