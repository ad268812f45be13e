import { AsyncLocalStorage } from "node:async_hooks";
import { setMaxListeners } from "node:events";
import type { Known, Outcome } from "../providers/provider.ts";
import { AnswerError, readAnswer } from "./answer.ts";
import { boundedFetch } from "./bounded-fetch.ts";
import { describeError, placeOf } from "./clean.ts";
import type { Sending } from "./destination.ts";
import { type OnOwnFault, watchLoop } from "./loop-watch.ts";

/** Time limit of a call, ms. */
// Guard (SECURITY.md): own-timeout
const timeoutMs = 10_000;
/** Time in which a status that came before the limit may still be returned, ms. */
const graceMs = 100;

/** Name of the destination whose function has started what runs now. */
const current = new AsyncLocalStorage<string>();

/** Returns the destination whose function started what runs now, or threw the error that nobody handled. */
export const currentDestination = (): string | undefined => current.getStore();

/** A function of a destination, for words: "slack: send threw …". */
interface Called {
	destination: string;
	/** Name of the function. */
	name: "send" | "probe" | "remove";
	onFault: OnOwnFault;
}

/**
 * Calls a destination's function once, and resolves to the meaning of its answer. Waits up to 10 s, whether or not the
 * function heeds its signal. Never rejects.
 */
export async function callFunction(
	{ destination, name, onFault }: Called,
	known: Known,
	ifDelivered: Known,
	stop: AbortSignal,
	call: (sending: Sending) => unknown,
): Promise<Outcome> {
	if (stop.aborted) return { kind: "retry", reason: "stopped" };
	const says = (what: string) => `${destination}: ${name} ${what}`;
	const limit = new AbortController();
	setMaxListeners(0, limit.signal);
	const cutOff = (): Outcome =>
		stop.aborted
			? { kind: "retry", reason: "stopped" }
			: { kind: "retry", reason: "timeout", message: says(`did not end within ${timeoutMs / 1_000} s`) };
	let grace: NodeJS.Timeout | undefined;
	const cut = new Promise<Outcome>((resolve) => {
		limit.signal.addEventListener("abort", () => {
			grace = setTimeout(() => resolve(cutOff()), graceMs);
		});
	});
	const abort = () => limit.abort();
	const timer = setTimeout(abort, timeoutMs);
	stop.addEventListener("abort", abort, { once: true });
	const watch = watchLoop(destination, onFault);

	async function outcomeOf(): Promise<Outcome> {
		let answer: unknown;
		try {
			const sending = { fetch: boundedFetch(limit.signal), signal: limit.signal, known };
			let answering: unknown;
			try {
				answering = current.run(destination, call, sending);
			} finally {
				watch.waits();
			}
			answer = await answering;
		} catch (thrown) {
			onFault({ kind: "threw", destination, error: placeOf(thrown) });
			return { kind: "retry", reason: "threw", message: says(`threw ${describeError(thrown)}`) };
		}
		try {
			return await readAnswer(answer, ifDelivered, limit.signal);
		} catch (thrown) {
			const why = thrown instanceof AnswerError ? thrown.message : "its answer cannot be read";
			return { kind: "rejected", reason: "invalid_answer", message: says(`is wrong: ${why}`) };
		}
	}

	try {
		const outcome = await Promise.race([outcomeOf(), cut]);
		// The status is the answer, also where the body has no end. Whatever else is said now comes too late.
		return limit.signal.aborted && outcome.status === undefined ? cutOff() : outcome;
	} finally {
		clearTimeout(grace);
		watch.end();
		clearTimeout(timer);
		stop.removeEventListener("abort", abort);
	}
}
