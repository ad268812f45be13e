import { parseJson } from "../http/exact-json.ts";
import { expiredReason } from "../outbox/lease.ts";
import type { Lease, Settlement } from "../outbox/outbox.ts";
import type { Known, Lane, Plan, Provider } from "../providers/provider.ts";
import { asRuled, hasExpired } from "../routing/ruled.ts";
import type { StoredEvent } from "../stored-event.ts";
import { planDigest } from "./digest.ts";

/** Leading events of a lease as they were captured, what is known of their person, and the plan for them. */
interface Leading {
	captured: StoredEvent[];
	known: Known;
	/** Absent if the lease has no events. */
	plan: Plan | undefined;
}

/**
 * Reads a lease, and plans the next request from its leading events as the site's rules have them. Events that a rule
 * has let expire are discarded, and those before the next such event are planned alone.
 */
export function planLease({ bodies, known: text, requests }: Lease, provider: Provider, now: number): Leading {
	const { name } = provider;
	const captured = bodies.map((body) => parseJson(body) as StoredEvent);
	const known: Known = text === undefined ? {} : (parseJson(text) as Known);
	const expired = captured.map((stored) => hasExpired(stored, name, now));
	const count = expired.includes(false) ? expired.indexOf(false) : expired.length;
	if (count > 0) return { captured, known, plan: { kind: "discard", settles: count, reason: expiredReason } };
	const inTime = expired.includes(true) ? captured.slice(0, expired.indexOf(true)) : captured;
	const [first, ...rest] = inTime.map((stored) => asRuled(stored, name));
	if (!first) return { captured, known, plan: undefined };
	const isMarked = ({ digest, event }: StoredEvent) => digest === true && provider.merges?.(event) !== false;
	const plan = (lane: Lane) => provider.plan(lane, known, now);
	return { captured, known, plan: planDigest([first, ...rest], { isMarked, plan, requests }) };
}

/** Discards, instead of a dead letter, an event that a rule has let expire meanwhile. */
export function withoutExpired(settlement: Settlement, [first]: readonly StoredEvent[], name: string): Settlement {
	const { ended, now } = settlement;
	if (ended?.ending.kind !== "dead" || !first || !hasExpired(first, name, now)) return settlement;
	return { ...settlement, ended: { count: ended.count, ending: { kind: "discarded", reason: expiredReason } } };
}
