import { parseJson } from "../http/exact-json.ts";
import { expiredReason } from "../outbox/lease.ts";
import type { Lease, Settlement } from "../outbox/outbox.ts";
import type { Known, Lane, Plan, Provider } from "../providers/provider.ts";
import { type Matcher, matcherOf } from "../routing/pattern.ts";
import { asRuled, hasExpired } from "../routing/ruled.ts";
import type { StoredEvent } from "../stored-event.ts";
import { planDigest } from "./digest.ts";

const matchers = new WeakMap<readonly string[], Matcher[]>();

/** Tells whether an event is worth a profile at a provider whose account has a list of such events. */
function isWorthProfile({ worthProfile }: Provider, { event }: StoredEvent): boolean {
	if (!worthProfile) return false;
	const compiled = matchers.get(worthProfile) ?? worthProfile.map(matcherOf);
	matchers.set(worthProfile, compiled);
	return compiled.some((matches) => matches(event));
}

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
export function planLease(lease: Lease, provider: Provider, now: number): Leading {
	const { bodies, known: text, requests, earns = false } = lease;
	const { name } = provider;
	const captured = bodies.map((body) => parseJson(body) as StoredEvent);
	const known: Known = text === undefined ? {} : (parseJson(text) as Known);
	const expired = captured.map((stored) => hasExpired(stored, name, now));
	const count = expired.includes(false) ? expired.indexOf(false) : expired.length;
	if (count > 0) return { captured, known, plan: { kind: "discard", settles: count, reason: expiredReason } };
	const inTime = expired.includes(true) ? captured.slice(0, expired.indexOf(true)) : captured;
	const ruled = inTime.map((stored) => asRuled(stored, name));
	const [first, ...rest] = ruled;
	if (!first) return { captured, known, plan: undefined };
	const isWorth = earns || [...inTime, ...ruled].some((stored) => isWorthProfile(provider, stored));
	const isMarked = ({ digest, event }: StoredEvent) => digest === true && provider.merges?.(event) !== false;
	const plan = (lane: Lane, before = known) => provider.plan(lane, before, now, isWorth);
	return { captured, known, plan: planDigest([first, ...rest], { isMarked, plan, requests }) };
}

/** Discards, instead of a dead letter, an event that a rule has let expire meanwhile. */
export function withoutExpired(settlement: Settlement, [first]: readonly StoredEvent[], name: string): Settlement {
	const { ended, now } = settlement;
	if (ended?.ending.kind !== "dead" || !first || !hasExpired(first, name, now)) return settlement;
	return { ...settlement, ended: { count: 1, ending: { kind: "discarded", reason: expiredReason } } };
}
