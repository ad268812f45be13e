import type { Lease } from "../outbox/outbox.ts";
import { createAlarm, type StartTimer } from "./alarm.ts";
import type { Context } from "./context.ts";
import { createOpenLeases } from "./open-leases.ts";
import { createSending, type SendingOptions } from "./sending.ts";
import { createSettle } from "./settle.ts";
import { createTakes } from "./takes.ts";

export interface FlowOptions extends Pick<SendingOptions, "purse" | "hold" | "attempt"> {
	/** Probes a destination whose pause is over. */
	endPause(): Promise<void>;
	startTimer?: StartTimer;
}

/**
 * Moves the events of one destination: take → plan → send → settle. Starts at once.
 *
 * `readyAt` is the time from which the store may have a ready lane that no take has seen. It becomes 0 (now) when
 * - the store reports ready lanes: an append, a replay, news from another process;
 * - a take leaves ready lanes behind, or yields nothing because the hold has changed;
 * - a lane is settled or given back, and neither waits nor is gone.
 *
 * A take resets `readyAt` when it is asked for, not when it is answered: whatever happens meanwhile causes another take.
 * The answer moves `readyAt` to the time at which the next waiting lane is due, or to a minute from now.
 *
 * A hold, an empty budget, and a lack of room delay a take without changing `readyAt`. The loop then sleeps until the
 * hold ends, the budget refills, or a request becomes slow or ends. An error of the store makes `readyAt` a second later.
 */
export function startFlow(context: Context, { purse, hold, attempt, endPause, startTimer }: FlowOptions) {
	const { outbox, now, retryMs, notify } = context;
	const alarm = createAlarm(now, startTimer);
	const openLeases = createOpenLeases({ isShared: outbox.isShared, now });
	const stopping = new AbortController();
	const takes = createTakes(context, openLeases, purse, hold);

	function lanesReady(at = 0): void {
		takes.readyFrom(at);
		alarm.wake();
	}

	const sending = createSending(context, {
		openLeases,
		purse,
		hold,
		attempt,
		stopping: stopping.signal,
		settle: createSettle(context, lanesReady),
		onChange: alarm.wake,
	});

	/** Gives the lanes back until a time. Resolves to the time of the next look. */
	function wait(until: number): Promise<number> {
		sending.giveBack();
		return hold.readWhileWaiting(until);
	}

	/** Takes lanes and begins requests, as many as allowed. Resolves to the time of the next look; undefined: at once. */
	async function look(): Promise<number | undefined> {
		await hold.settled();
		const heldUntil = hold.until();
		if (heldUntil > now()) return wait(heldUntil);
		const at = now();
		if (takes.due(at) <= 0 && openLeases.ahead() === 0) return takes.idleUntil(at);
		const refillAt = await purse.fill();
		if (refillAt !== undefined) return wait(refillAt);
		if (hold.isPaused()) {
			await endPause();
			return undefined;
		}
		sending.begin();
		// False if meanwhile the last tokens were spent or became void, the hold changed, or the flow was stopped.
		if (!sending.mayBegin()) return undefined;
		const lanes = Math.min(takes.due(at), purse.tokens() - openLeases.ahead());
		if (lanes <= 0) return takes.idleUntil(at);
		await takes.take(lanes);
		sending.begin();
		return undefined;
	}

	function failed(error: unknown): number {
		notify({ kind: "fault", message: "no lanes could be taken", error });
		const retryAt = now() + retryMs;
		takes.readyFrom(retryAt);
		return retryAt;
	}

	async function run(): Promise<void> {
		while (!stopping.signal.aborted) {
			const until = await look().catch(failed);
			if (until !== undefined) await alarm.sleep(until);
		}
		sending.giveBack();
	}

	const stopListening = outbox.onReady(lanesReady);
	const running = run();
	return {
		/** Gives back the lanes of these people, by their keys. Resolves once no request for them is under way. */
		async quiet(people: readonly string[]): Promise<void> {
			const isTheirs = ({ person }: Lease) => people.includes(person);
			sending.giveBack(isTheirs);
			await sending.settled(isTheirs);
		},

		/** Looks anew, as the hold has changed. */
		wake: alarm.wake,

		/** Takes no more lanes and begins no more requests. Resolves once all leases are settled. */
		async stop(): Promise<void> {
			stopping.abort();
			stopListening();
			alarm.wake();
			await running;
			await sending.settled();
		},
	};
}
