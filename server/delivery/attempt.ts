import type { Lease, Settlement } from "../outbox/outbox.ts";
import type { Plan } from "../providers/provider.ts";
import type { StoredEvent } from "../stored-event.ts";
import { createAcceptances } from "./acceptances.ts";
import type { Context } from "./context.ts";
import { createCreations } from "./creations.ts";
import { createDoubts } from "./doubts.ts";
import type { GroupHold } from "./group-hold.ts";
import { planLease, withoutExpired } from "./leading.ts";
import type { Probe } from "./probe.ts";
import { learntAliases, type Result, settlementOf, tellHold } from "./settlement.ts";

/** Result of one attempt at a lane's leading events. */
export interface Attempt {
	settlement: Settlement;
	/** False only if surely no request was sent: the token is put back then. */
	isSent: boolean;
	/** Events of the lease and the result for them. Absent if nothing was planned. */
	step?: { events: StoredEvent[]; result: Result };
}

/** Plans and sends one request per lease, tells the hold about the answer, and decides the settlement. */
export function createAttempts(context: Context, hold: GroupHold, probe: Probe) {
	const { provider, outbox, now, random, signal, notify } = context;
	const creations = createCreations(context);
	const acceptances = createAcceptances();
	const doubts = createDoubts(context, hold, probe, acceptances);
	let sent = 0;

	/** Tells the hold about an outcome. After many failures, the probe decides whether the destination is out of order. */
	async function tell(lane: number, { outcome, isProbe = false, isOfEvent = false }: Result): Promise<void> {
		if (!outcome) return;
		await hold.tell((each) => (isOfEvent ? each.answered(now()) : tellHold(each, outcome, lane, now())), isProbe);
		if (outcome.kind !== "retry" || !(isProbe || hold.isSuspect())) return;
		// Guard (SECURITY.md): failure-of-event
		const isWell = await probe.succeeds();
		if (!isWell && !hold.isSuspect()) return;
		await hold.tell((each) => (isWell ? each.answered(now()) : each.pause(outcome.reason, now())), isProbe);
	}

	/** Sends the planned request of a lane. Sends nothing while another process probes the destination. */
	async function request(plan: Plan, lease: Lease): Promise<Result> {
		const { lane, attempts, failingSince = now() } = lease;
		if (plan.kind !== "send") return { plan };
		const { purpose } = plan.request;
		const isCreation = purpose === "create";
		const isProbe = hold.probing();
		if (isProbe && !probe.exists && acceptances.yields(lease.person)) return { plan, postponedTo: now() + 1_000 };
		if (isProbe && !(await hold.probe())) return { plan };
		const heldUntil = isCreation ? creations.begin() : 0;
		// People who were refused themselves are tried after the others, which are tried in no foreseeable order.
		if (heldUntil > 0) return { plan, postponedTo: heldUntil + (attempts > 0 ? 5_000 : Math.round(1_000 * random())) };
		sent += 1;
		const startedAt = now();
		const outcome = await provider.send(plan.request, signal);
		const result = { plan, isProbe, outcome, ms: now() - startedAt };
		if (outcome.kind === "delivered") {
			acceptances.accepted(purpose, lane, now());
			if (isCreation) creations.accepted();
		}
		if (outcome.kind !== "paused" && outcome.kind !== "wait") return result;
		// Guard (SECURITY.md): refusal-of-event
		const isOfEvent = await doubts.isOfEvent(outcome, purpose, lease, isProbe);
		if (!isOfEvent) return result;
		// Guard (SECURITY.md): refusal-of-account
		const isOfAccount = !isCreation && !doubts.isLimit(outcome) && acceptances.refused(purpose, lane);
		if (isOfAccount) return result;
		// Guard (SECURITY.md): creation-hold
		const held = isCreation ? creations.refused(lane, outcome.reason) : undefined;
		const areOthersAccepted = doubts.isFault(outcome, purpose, lane, failingSince);
		return { ...result, isOfEvent: true, areOthersAccepted, postponedTo: held?.until };
	}

	async function attempt(lease: Lease): Promise<Attempt> {
		const { captured, known, plan } = planLease(lease, provider, now());
		if (!plan || !outbox.isHeld(lease)) return { settlement: { lease, now: now() }, isSent: false };
		const result = await request(plan, lease);
		const { outcome } = result;
		const step = plan.kind === "await" ? {} : { step: { events: captured, result } };
		const common = { isSent: outcome !== undefined, ...step };
		const at = now();
		// A request cut off by the stop says nothing about the destination.
		if (signal.aborted && outcome?.kind === "retry") return { settlement: { lease, now: at }, ...common };
		await tell(lease.lane, result);
		// After the hold another lane is tried first: the answer may be to the content of this one's event.
		const ownWait = outcome?.kind === "wait" && result.isOfEvent ? (outcome.forMs ?? 0) : 0;
		const isTurnOfOthers =
			outcome?.kind === "wait" || (outcome?.kind === "paused" && !probe.exists && !result.isOfEvent);
		// An operator's pause has no end. The lane then waits for nothing else.
		const heldUntil = Number.isFinite(hold.until()) ? hold.until() : at;
		const postponedTo = isTurnOfOthers ? Math.max(heldUntil, at + ownWait) + 1_000 : result.postponedTo;
		const aliases = learntAliases(provider, known, outcome);
		const settlement = settlementOf(lease, { ...result, postponedTo }, at, random);
		return { settlement: { ...withoutExpired(settlement, captured, provider.name), aliases }, ...common };
	}

	return {
		/** Number of requests sent so far. */
		sent: () => sent,

		creationHold: creations.hold,

		/** Makes one attempt. Never rejects: an event that cannot be planned becomes a dead letter. */
		attempt: (lease: Lease): Promise<Attempt> =>
			attempt(lease).catch((thrown) => {
				// Only the name: the message may quote the event.
				const error = thrown instanceof Error ? thrown.name : typeof thrown;
				notify({ kind: "fault", message: "a delivery could not be planned", error });
				const ended = { count: 1, ending: { kind: "dead", reason: "internal_error" } } as const;
				return { settlement: { lease, now: now(), ended }, isSent: true };
			}),
	};
}
