import { parseJson } from "../http/exact-json.ts";
import type { Lease, Settlement } from "../outbox/outbox.ts";
import type { Known, Lane } from "../providers/provider.ts";
import type { StoredEvent } from "../stored-event.ts";
import type { Context } from "./context.ts";
import type { GroupHold } from "./group-hold.ts";
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
export function createAttempts(context: Context, hold: GroupHold) {
	const { provider, outbox, now, random, signal, report } = context;
	let sent = 0;

	/** Plans and sends the next request of a lane. Sends nothing while another process probes the destination. */
	async function request(events: Lane, known: Known): Promise<Result> {
		const plan = provider.plan(events, known, now());
		if (plan.kind !== "send") return { plan };
		const isProbe = hold.probing();
		if (isProbe && !(await hold.probe())) return { plan };
		sent += 1;
		const startedAt = now();
		const outcome = await provider.send(plan.request, signal);
		return { plan, isProbe, outcome, ms: now() - startedAt };
	}

	async function attempt(lease: Lease): Promise<Attempt> {
		const [first, ...rest] = lease.bodies.map((body) => parseJson(body) as StoredEvent);
		if (!first || !outbox.isHeld(lease)) return { settlement: { lease, now: now() }, isSent: false };
		const known: Known = lease.known === undefined ? {} : (parseJson(lease.known) as Known);
		const result = await request([first, ...rest], known);
		const { outcome, isProbe = false } = result;
		const told = { isSent: outcome !== undefined, step: { events: [first, ...rest], result } };
		const at = now();
		// A request cut off by the stop says nothing about the destination.
		if (signal.aborted && outcome?.kind === "retry") return { settlement: { lease, now: at }, ...told };
		if (outcome) await hold.tell((each) => tellHold(each, outcome, lease.lane, at), isProbe);
		const aliases = learntAliases(provider, known, outcome);
		return { settlement: { ...settlementOf(lease, result, at, random), aliases }, ...told };
	}

	return {
		/** Requests sent so far. */
		sent: () => sent,

		/** Makes one attempt. Never rejects: an event that cannot be planned becomes a dead letter. */
		attempt: (lease: Lease): Promise<Attempt> =>
			attempt(lease).catch((thrown) => {
				// Only the name: the message may quote the event.
				const error = thrown instanceof Error ? thrown.name : typeof thrown;
				report({ kind: "fault", message: "a delivery could not be planned", error });
				const ended = { count: 1, ending: { kind: "dead", reason: "internal_error" } } as const;
				return { settlement: { lease, now: now(), ended }, isSent: true };
			}),
	};
}
