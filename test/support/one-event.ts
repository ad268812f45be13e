import { expect } from "vitest";
import type { Known, Plan, Provider } from "../../server/providers/provider.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { eventSchema, type Person } from "../../shared/event.ts";

const never = new AbortController().signal;

/** Fields of an event that a test sets. The others get defaults. */
export interface Fields {
	type?: string;
	name?: string;
	person?: Person;
	data?: Record<string, unknown>;
}

/** Makes a browser's event as the outbox stores it, by default a `track` named x. */
export function storedEvent({ type = "track", ...fields }: Fields): StoredEvent {
	const named = type === "track" && { name: "x" };
	const event = eventSchema.parse({ id: crypto.randomUUID(), type, ...named, at: Date.now(), ...fields });
	return { event, trusted: false, receivedAt: Date.now() };
}

/** Plans a lane's next request and sends it. */
export async function step(provider: Provider, events: readonly [StoredEvent, ...StoredEvent[]], known: Known) {
	const plan: Plan = provider.plan(events, known, Date.now());
	if (plan.kind !== "send") return { plan };
	return { plan, outcome: await provider.send(plan.request, never) };
}

/** Delivers one event as the dispatcher would, in at most 20 requests. Resolves to its end and the person's knowledge. */
export async function deliver(provider: Provider, event: StoredEvent, known: Known = {}) {
	let memory = known;
	for (let n = 0; n < 20; n += 1) {
		const { plan, outcome } = await step(provider, [event], memory);
		if (!outcome) return { end: plan.kind === "done" ? "delivered" : plan.kind, known: memory };
		if ("known" in outcome && outcome.known) memory = JSON.parse(JSON.stringify(outcome.known));
		const settled = plan.kind === "send" && plan.settles > 0;
		if (outcome.kind === "delivered" ? settled : outcome.kind !== "unknownPerson")
			return { end: outcome.kind, known: memory };
	}
	return { end: "never", known: memory };
}

/** An answer, its expected outcome, and the plan expected afterwards, which is not checked if it is left out. */
export type Row = [what: string, status: number, body: unknown, outcome: object, next?: object];

/** Sends a lane's next request, which gets the row's answer. Compares its outcome, and the plan of `event` after it. */
export async function checkAnswer(
	provider: Provider,
	events: readonly [StoredEvent, ...StoredEvent[]],
	known: Known,
	[, , , expected, next]: Row,
	event: StoredEvent,
) {
	const { outcome } = await step(provider, events, known);
	expect(outcome).toMatchObject(expected);
	if (!next) return;
	if (!outcome || !("known" in outcome) || !outcome.known) throw new Error("nothing was learnt");
	expect(provider.plan([event], JSON.parse(JSON.stringify(outcome.known)), Date.now())).toMatchObject(next);
}
