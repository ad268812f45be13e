import { vi } from "vitest";
import type { Known, Outcome, Plan, PlannedRequest, Provider } from "../../../server/providers/provider.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";

/** A provider's reply: its status, and its body as JSON. */
export type Reply = readonly [status: number, body?: unknown];

/** Cases of `createPeople` and `trusted`, and the plan for an event of a person who does not exist. */
export const creations = [
	["always", false, "created"],
	["always", true, "created"],
	["verified", false, "left out"],
	["verified", true, "created"],
	["never", false, "left out"],
	["never", true, "left out"],
] as const;
export const creationPlans = {
	created: { kind: "send", request: { purpose: "create" } },
	"left out": { kind: "discard", settles: 1, reason: "unknown_person" },
} as const;

/** A request as it is sent, and the number of events that it settles. */
export interface Sent {
	method: string;
	path: string;
	query?: Record<string, string>;
	body: Record<string, unknown>;
	settles: number;
}

export function sent(plan: Plan): Sent {
	if (plan.kind !== "send") throw new Error(`Planned ${JSON.stringify(plan)}, not a request`);
	const { method, path, query, body } = plan.request;
	return { ...JSON.parse(JSON.stringify({ method, path: path.join("/"), query, body })), settles: plan.settles };
}

/** Sends a request to a provider that gives this reply. */
async function send(provider: Provider, request: PlannedRequest, [status, body]: Reply): Promise<Outcome> {
	vi.stubGlobal("fetch", async () => new Response(body === undefined ? null : JSON.stringify(body), { status }));
	try {
		return await provider.send(request, new AbortController().signal);
	} finally {
		vi.unstubAllGlobals();
	}
}

/** Resolves to the knowledge of the person after these replies to an event's requests. */
export async function learn(
	provider: Provider,
	event: StoredEvent,
	replies: Reply[],
	{ known: before = {} as Known, now = 0 } = {},
): Promise<Known> {
	let known = before;
	for (const reply of replies) {
		const plan = provider.plan([event], known, now);
		if (plan.kind !== "send") throw new Error(`Planned ${JSON.stringify(plan)}, not a request`);
		const outcome = await send(provider, plan.request, reply);
		if (!("known" in outcome) || !outcome.known) throw new Error(`Learnt nothing: ${JSON.stringify(outcome)}`);
		known = JSON.parse(JSON.stringify(outcome.known));
	}
	return known;
}

export interface Delivery {
	requests: Sent[];
	/** End of each settled event, in order: `delivered`, or the reason against it. */
	ends: string[];
	/** Outcome for which the rest waits. */
	held?: Outcome;
	/** Time until which the rest waits for an event worth a profile. */
	awaitedTo?: number;
	/** Number of attributes left out. */
	leftOut: number;
	known: Known;
}

/**
 * Delivers a lane as the dispatcher does, until all events are settled or one has to wait.
 * Throws after `most` requests, as the lane might never end.
 */
export async function deliverLane(
	provider: Provider,
	lane: readonly StoredEvent[],
	replies: (request: Sent) => Reply,
	{ known: before = {} as Known, now = 0, most = 60 } = {},
): Promise<Delivery> {
	const requests: Sent[] = [];
	const ends: string[] = [];
	let known: Known = before;
	let leftOut = 0;
	let [first, ...rest] = lane;

	async function request(events: readonly [StoredEvent, ...StoredEvent[]]): Promise<{ plan: Plan; outcome?: Outcome }> {
		const plan = provider.plan(events, known, now);
		if (plan.kind !== "send") return { plan };
		if (requests.push(sent(plan)) > most) throw new Error(`More than ${most} requests: ${JSON.stringify(requests)}`);
		const outcome = await send(provider, plan.request, replies(sent(plan)));
		if (outcome.kind !== "rejected") return { plan, outcome };
		if (outcome.known) known = JSON.parse(JSON.stringify(outcome.known));
		if (outcome.isAgain) return request(events);
		if (plan.covers === 1 || outcome.reason === "unknown_person") return { plan, outcome };
		return request([events[0], ...events.slice(1, Math.ceil(plan.covers / 2))]);
	}
	function end(count: number, how: string): void {
		if (count === 0) return;
		ends.push(...Array.from({ length: count }, () => how));
		[first, ...rest] = rest.slice(count - 1);
	}

	while (first) {
		const { plan, outcome } = await request([first, ...rest]);
		if (outcome && "known" in outcome && outcome.known) known = JSON.parse(JSON.stringify(outcome.known));
		if (plan.kind === "await") return { requests, ends, awaitedTo: plan.until, known, leftOut };
		if (plan.kind === "discard") end(plan.settles, `discarded: ${plan.reason}`);
		else if (plan.kind === "refuse") end(1, `dead: ${plan.reason}`);
		else if (!outcome || outcome.kind === "delivered") {
			leftOut += plan.leftOut ?? 0;
			end(plan.settles, "delivered");
		} else if (outcome.kind === "rejected" && outcome.isAgain) continue;
		else if (outcome.kind === "rejected") end(1, `dead: ${outcome.reason}`);
		else if (outcome.kind !== "unknownPerson") return { requests, ends, held: outcome, known, leftOut };
	}
	return { requests, ends, known, leftOut };
}
