import type { Ending, Lease, Settlement } from "../outbox/outbox.ts";
import type { Known, Outcome, Plan, Provider } from "../providers/provider.ts";
import { fullJitter } from "./backoff.ts";
import type { Hold } from "./hold.ts";

/** Maximum number of deliveries that a lease shows the provider, which can make one request of several. */
export const deliveriesPerLease = 100;
/** Maximum number of requests for one event. No plan needs so many: such an event makes no progress. */
const requestsPerEvent = 16;
/** Longest time that a delivery may fail before it is given up, ms. */
const failingMostMs = 3 * 86_400_000;
/** Maximum number of attempts of an event that is refused while the destination takes others. */
const refusedAttempts = 5;
/** Maximum number of attempts if the answers cannot be read, as each of them may have delivered the event. */
const unreadableAttempts = 3;

/** Result of a plan, with an outcome if a request was sent. */
export interface Result {
	plan: Plan;
	outcome?: Outcome;
	/** True if the request was a probe of a held destination. */
	isProbe?: boolean;
	/** True for a refusal or failure of this event alone, as the provider's own probe succeeded after it. */
	isOfEvent?: boolean;
	/** True if another lane's request with the same purpose was accepted since this event was first refused. */
	areOthersAccepted?: boolean;
	/** Time until which the lane waits: for the end of a limit, or until profiles are created again. */
	postponedTo?: number | undefined;
	/** Duration of the request, ms. */
	ms?: number;
}

/** Changes a destination's hold by the outcome of a request. */
export function tellHold(hold: Hold, outcome: Outcome, lane: number, at: number): void {
	switch (outcome.kind) {
		case "delivered":
		case "unknownPerson":
		case "rejected":
			hold.answered(at);
			break;
		case "wait":
			hold.wait(outcome.reason, outcome.forMs, at);
			break;
		case "paused":
			hold.pause(outcome.reason, at);
			break;
		case "retry":
			hold.failed(lane, outcome.reason, at);
			break;
	}
}

const endingOf = (count: number, ending: Ending) => (count > 0 ? { count, ending } : undefined);

/** Decides the settlement of a lease by the tables in ARCHITECTURE.md. Pure; `at` is ms since the epoch. */
export function settlementOf(lease: Lease, result: Result, at: number, random: () => number): Settlement {
	const { plan, outcome, isOfEvent = false, areOthersAccepted = false, postponedTo } = result;
	const learnt = outcome && "known" in outcome && outcome.known ? JSON.stringify(outcome.known) : undefined;
	const settlement: Settlement = { lease, now: at, known: learnt };
	const dead = (reason: string, more: { status?: number | undefined; message?: string | undefined } = {}, count = 1) =>
		endingOf(count, { kind: "dead", reason, ...more });
	if (plan.kind === "await") return { ...settlement, awaitedTo: plan.until, isOnTheWay: true };
	if (plan.kind === "refuse") return { ...settlement, ended: dead(plan.reason, { message: plan.message }) };
	if (plan.kind === "discard")
		return { ...settlement, ended: endingOf(plan.settles, { kind: "discarded", reason: plan.reason }) };
	const delivered = { ended: endingOf(plan.settles, { kind: "delivered" }), leftOut: plan.leftOut };
	if (plan.kind === "done") return { ...settlement, ...delivered };
	if (postponedTo !== undefined && !isOfEvent) return { ...settlement, postponedTo };
	if (!outcome) return { ...settlement, isOnTheWay: true };
	const failed = { dueAt: (postponedTo ?? at) + fullJitter(lease.attempts + 1, random) };
	const isTooLong = at - (lease.failingSince ?? at) >= failingMostMs;
	const sent: Settlement = { ...settlement, sent: true };
	const isEndless = lease.requests + 1 >= requestsPerEvent;
	switch (outcome.kind) {
		case "delivered": {
			const isOnTheWay = plan.settles === 0;
			if (isOnTheWay && isEndless) return { ...sent, ended: dead("no_progress") };
			return { ...sent, ...delivered, isOnTheWay: isOnTheWay || plan.keepsTurn === true };
		}
		case "unknownPerson": {
			const ended = isEndless ? dead("no_progress") : undefined;
			// Shows later events too: they may hold the name with which the person is created.
			return { ...sent, narrowTo: deliveriesPerLease, ended, isOnTheWay: !isEndless };
		}
		case "rejected": {
			const { reason, message, status, isAgain = false } = outcome;
			if (isAgain && !isEndless) return { ...sent, isOnTheWay: true };
			// Several updates were refused as one request. Half as many are sent next, to find the one at fault.
			const isSeveral = plan.covers > 1 && reason !== "unknown_person";
			if (isSeveral && !isEndless) return { ...sent, narrowTo: Math.ceil(plan.covers / 2) };
			return { ...sent, ended: dead(reason, { status, message }) };
		}
		case "wait":
		case "paused": {
			if (!isOfEvent) return settlement;
			const { reason, status } = outcome;
			// Several updates were refused as one request. Half as many are sent next, to find the one at fault.
			if (plan.covers > 1 && !isEndless) return { ...sent, narrowTo: Math.ceil(plan.covers / 2) };
			const isTooOften = areOthersAccepted && lease.attempts + 1 >= refusedAttempts;
			if (isTooOften || isTooLong) return { ...sent, ended: dead(reason, { status }) };
			return { ...settlement, failed };
		}
		case "retry": {
			const { reason, message, status, unreadable = false, forMs = 0 } = outcome;
			const isTooOften = unreadable && lease.unreadable + 1 >= unreadableAttempts;
			// Each event of the request has failed, or may have been delivered, as often as the first.
			const count = Math.max(1, plan.settles);
			if (isTooOften || isTooLong) return { ...sent, ended: dead(reason, { status, message }, count) };
			return { ...settlement, failed: { dueAt: failed.dueAt + forMs, unreadable } };
		}
	}
}

/** Lists the provider's own names for a person that were not known before this outcome. */
export function learntAliases({ hooks }: Provider, before: Known, outcome: Outcome | undefined): string[] {
	if (!hooks || !outcome || !("known" in outcome) || !outcome.known) return [];
	const had = hooks.aliases(before);
	return hooks.aliases(outcome.known).filter((alias) => !had.includes(alias));
}
