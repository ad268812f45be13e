import { parseJson } from "../http/exact-json.ts";
import type { Lease, Outbox, Settlement } from "../outbox/outbox.ts";
import type { Known, Provider } from "../providers/provider.ts";
import type { StoredEvent } from "../stored-event.ts";
import type { GroupHold } from "./group-hold.ts";
import { learntAliases, type Result, settlementOf, tellHold } from "./settlement.ts";

/** Result of one attempt at a lane's leading events. */
export interface Attempt {
	settlement: Settlement;
	/** Tells whether a request was sent, and its token spent. */
	isSent: boolean;
	/** Events of the lease and the result for them. Absent if nothing was planned. */
	step?: { events: StoredEvent[]; result: Result };
}

interface AttemptsOptions {
	provider: Provider;
	outbox: Pick<Outbox, "isHeld">;
	hold: Pick<GroupHold, "probing" | "probe" | "tell">;
	now(): number;
	/** Random number, 0 ≤ n < 1, for jitter. */
	random(): number;
	/** Aborts requests under way. */
	signal: AbortSignal;
	onFault(message: string, error: unknown): void;
}

/** Plans and sends one request per lease, tells the hold about the answer, and decides the settlement. */
export function createAttempts({ provider, outbox, hold, now, random, signal, onFault }: AttemptsOptions) {
	let sent = 0;

	/** Plans and sends the next request of a lane. Sends nothing while another process probes the destination. */
	async function request(events: readonly [StoredEvent, ...StoredEvent[]], known: Known): Promise<Result> {
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
		const settlement = settlementOf(lease, result, at, random);
		const aliases = learntAliases(provider, known, outcome);
		return { settlement: aliases.length > 0 ? { ...settlement, aliases } : settlement, ...told };
	}

	return {
		/** Requests sent so far. */
		sent: () => sent,

		/** Makes one attempt. Never rejects: an event that cannot be planned becomes a dead letter. */
		attempt: (lease: Lease): Promise<Attempt> =>
			attempt(lease).catch((error) => {
				// Only the name: the message may quote the event.
				onFault("a delivery could not be planned", error instanceof Error ? error.name : typeof error);
				const ended = { count: 1, ending: { kind: "dead", reason: "internal_error" } } as const;
				return { settlement: { lease, now: now(), ended }, isSent: true };
			}),
	};
}
