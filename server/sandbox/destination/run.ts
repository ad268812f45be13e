import { type Called, type CallOptions, callOnce, nameOf } from "./call.ts";
import type { TestEvent } from "./events.ts";

type Function = (...given: never[]) => unknown;

/** A destination as `testDestination` takes it: the functions that `defineDestination` takes. */
export interface TestedDestination {
	send?: Function | undefined;
	plan?: Function | undefined;
	probe?: Function | undefined;
	remove?: Function | undefined;
	batch?: number | undefined;
	events?: readonly string[] | undefined;
}

/** Maximum number of requests for one event, as in the proxy. */
const requestsMost = 16;

interface Plan {
	kind: string;
	request?: { ifDelivered?: Record<string, unknown>; ifMissing?: Record<string, unknown> };
	settles?: number;
}

/** Joins the calls for one event: the last one's meaning, and the requests of all. */
const joined = (calls: Called[], last: Called): Called => ({ ...last, sent: calls.flatMap(({ sent }) => sent) });

/** Delivers events of one person as the proxy does: in one call, or by the plans of the advanced form. */
export async function deliver(
	destination: TestedDestination,
	events: TestEvent[],
	options: CallOptions,
): Promise<Called> {
	const send = destination.send as ((what: unknown, sending: object) => unknown) | undefined;
	const copies = structuredClone(events);
	if (!destination.plan)
		return callOnce((sending) => send?.call(destination, destination.batch ? copies : copies[0], sending), options);
	const plan = destination.plan as (lane: unknown, known: object, now: number) => Plan;
	const lane = events.map((event) => ({ event, trusted: true, receivedAt: event.at }));
	const calls: Called[] = [];
	let { known } = options;
	const none = { sent: [], leftUnderWay: 0, isEndless: false, blockedMs: 0 };
	while (calls.length < requestsMost) {
		let made: Plan;
		try {
			made = plan.call(destination, structuredClone(lane), structuredClone(known), Date.now());
		} catch (thrown) {
			return joined(calls, { ...none, kind: "rejected", wrong: `plan threw ${nameOf(thrown)}` });
		}
		if (typeof made?.kind !== "string")
			return joined(calls, { ...none, kind: "rejected", wrong: "plan returned no plan" });
		if (made.kind === "done" || made.kind === "discard") return joined(calls, { ...none, kind: "delivered", known });
		if (made.kind !== "send") return joined(calls, { ...none, kind: "rejected", reason: "refuse" });
		const request = structuredClone(made.request);
		const called = await callOnce((sending) => send?.call(destination, request, sending), { ...options, known: {} });
		calls.push(called);
		if (called.kind === "unknownPerson") known = called.known ?? {};
		else if (called.kind !== "delivered") return joined(calls, called);
		else {
			known = called.known ?? made.request?.ifDelivered ?? {};
			if ((made.settles ?? 0) > 0) return joined(calls, { ...called, known });
		}
	}
	return joined(calls, {
		...none,
		kind: "rejected",
		wrong: `it sent ${requestsMost} requests for one event, without an end`,
	});
}
