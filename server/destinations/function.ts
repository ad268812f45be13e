import type { Event } from "../../shared/event.ts";
import type { Connector, Known, Lane, Outcome, Plan, PlannedRequest, Removal, Send } from "../providers/provider.ts";
import { callFunction } from "./call.ts";
import { defaultBudget, type FunctionDestination, type Sending } from "./destination.ts";
import type { OnOwnFault } from "./loop-watch.ts";
import { planWith } from "./plan.ts";

const probe: PlannedRequest = { purpose: "probe", method: "GET", path: [], ifDelivered: {} };

/** Plans the call with the leading event, or with up to `batch` events. */
function planCall(lane: Lane, known: Known, batch: number | undefined) {
	const events = lane.slice(0, batch ?? 1).map(({ event }) => event);
	const body = batch === undefined ? { event: events[0] } : { events };
	const request: PlannedRequest = { purpose: "event", method: "POST", path: [], body, ifDelivered: known };
	return { kind: "send", request, settles: events.length, covers: events.length } as const;
}

/** Reads the result of deleting a profile. */
function removalOf(outcome: Outcome): Removal {
	if (outcome.kind === "delivered") return { kind: "deleted" };
	if (outcome.kind === "unknownPerson" || outcome.status === 404 || outcome.status === 410)
		return { kind: "not_found" };
	return { kind: "failed", reason: outcome.reason, status: outcome.status };
}

/** Maximum number of reasons for which a destination's `plan` discards: each is a label of a metric. */
const reasonsMost = 20;

/** Names the reason `other` once a destination has used 20 others. */
function createBoundedReasons() {
	const used = new Set<string>();
	return (plan: Plan): Plan => {
		if (plan.kind !== "discard" || used.has(plan.reason)) return plan;
		if (used.size >= reasonsMost) return { ...plan, reason: "other" };
		used.add(plan.reason);
		return plan;
	};
}

/** Connects to a destination of functions. Every call gets copies, so that no function changes what is stored. */
export function connectFunction(name: string, own: FunctionDestination, onFault: OnOwnFault): Connector {
	const { budget = defaultBudget } = own;
	const boundReason = createBoundedReasons();

	/** Calls `send` in the form in which the destination has it. */
	function sendCopy(request: PlannedRequest, sending: Sending) {
		if (own.plan) return own.send(structuredClone(request), sending);
		const { event, events } = structuredClone(request.body) as { event: Event; events: [Event, ...Event[]] };
		return own.batch === undefined ? own.send(event, sending) : own.send(events, sending);
	}

	function send(request: PlannedRequest, signal: AbortSignal): Promise<Outcome> {
		const { purpose, ifDelivered } = request;
		const known = structuredClone(own.plan ? {} : ifDelivered);
		const called = { destination: name, onFault };
		if (purpose === "probe")
			return callFunction({ ...called, name: "probe" }, {}, {}, signal, (sending) => own.probe?.(sending));
		if (purpose !== "remove")
			return callFunction({ ...called, name: "send" }, known, ifDelivered, signal, (sending) =>
				sendCopy(request, sending),
			);
		const { person } = structuredClone(request.body) as { person: Parameters<NonNullable<typeof own.remove>>[0] };
		return callFunction({ ...called, name: "remove" }, known, {}, signal, (sending) => own.remove?.(person, sending));
	}

	/** Calls `remove` once for each thing known of the person. Goes on after a failure, but not after a limit. */
	async function remove(person: object, known: readonly Known[], sendOther: Send): Promise<Removal> {
		let result: Removal = { kind: "not_found" };
		for (const each of known.length > 0 ? known : [{}]) {
			const request = { ...probe, purpose: "remove", method: "DELETE", body: { person }, ifDelivered: each } as const;
			const outcome = await sendOther(request);
			const removal = removalOf(outcome);
			if (result.kind !== "failed" && removal.kind !== "not_found") result = removal;
			if (outcome.kind === "wait") break;
		}
		return result;
	}

	return {
		allowance: budget,
		...(own.batch !== undefined && { batch: own.batch }),
		...(own.probe && { probe }),
		...(own.remove && { remove }),
		addresses: () => true,
		plan: (lane, known, now) =>
			own.plan
				? boundReason(planWith(name, own.plan.bind(own), lane, known, now, onFault))
				: planCall(lane, known, own.batch),
		send,
	};
}
