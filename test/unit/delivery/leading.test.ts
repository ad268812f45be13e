import { expect, it } from "vitest";
import { planLease, withoutExpired } from "../../../server/delivery/leading.ts";
import type { Lease } from "../../../server/outbox/outbox.ts";
import type { Lane, Provider } from "../../../server/providers/provider.ts";
import type { Ruled, StoredEvent } from "../../../server/stored-event.ts";
import { type Fields, storedEvent } from "../../support/one-event.ts";

const person = { email: "ada@example.com" };
const stored = (name: string, ruled?: Ruled): StoredEvent => {
	const made = storedEvent({ name, person });
	return { ...made, event: { ...made.event, at: 1_000 }, ...(ruled && { ruled: { chat: ruled } }) };
};
const leaseOf = (...events: StoredEvent[]): Lease => ({
	...{ destination: { site: "site", name: "chat" }, lane: 1, number: 1, person: "email:ada@example.com" },
	...{ known: undefined, attempts: 0, unreadable: 0, failingSince: undefined, requests: 0 },
	bodies: events.map((event) => JSON.stringify(event)),
});
/** Plans a lease at a time; returns the names of the events that the provider planned, and the plan. */
function planned(now: number, ...events: StoredEvent[]) {
	let lane: Lane | undefined;
	const provider = {
		name: "chat",
		plan: (given: Lane) => {
			lane = given;
			return { kind: "done", settles: given.length };
		},
	} as unknown as Provider;
	const { plan, captured } = planLease(leaseOf(...events), provider, now);
	return { plan, captured, lane: lane?.map(({ event, digest }) => ["name" in event && event.name, digest]) };
}

it("events are planned as the rules have them, and reported as they were captured", () => {
	const { plan, captured, lane } = planned(1_000, stored("a", { name: "A", digest: true }), stored("b"));
	expect(lane).toEqual([
		["A", true],
		["b", undefined],
	]);
	expect(plan).toEqual({ kind: "done", settles: 2 });
	expect(captured.map(({ event }) => "name" in event && event.name)).toEqual(["a", "b"]);
});

it("leading events that have expired are discarded, and those before an expired one are planned without it", () => {
	const short = () => stored("short", { expires: 500 });
	expect(planned(1_499, short(), stored("b")).plan).toEqual({ kind: "done", settles: 2 });
	expect(planned(1_500, short(), short(), stored("b")).plan).toEqual({
		kind: "discard",
		settles: 2,
		reason: "expired",
	});
	expect(planned(1_500, short()).plan).toEqual({ kind: "discard", settles: 1, reason: "expired" });
	expect(planned(1_500, stored("a"), stored("b"), short(), stored("c")).lane).toEqual([
		["a", undefined],
		["b", undefined],
	]);
	expect(planned(1_500).plan).toBeUndefined();
});

it("an event that expires while it is refused is discarded instead of becoming a dead letter", () => {
	const lease = leaseOf();
	const dead = { count: 1, ending: { kind: "dead", reason: "invalid_data" } } as const;
	const short = stored("short", { expires: 500 });
	const settle = (now: number, event: StoredEvent) =>
		withoutExpired({ lease, now, ended: dead }, [event], "chat").ended?.ending;
	expect(settle(1_499, short)).toEqual(dead.ending);
	expect(settle(1_500, short)).toEqual({ kind: "discarded", reason: "expired" });
	expect(settle(9_999, stored("a"))).toEqual(dead.ending);
	const several = { ...dead, count: 3 };
	expect(withoutExpired({ lease, now: 1_500, ended: several }, [short], "chat").ended?.count).toBe(1);
	expect(withoutExpired({ lease, now: 1_499, ended: several }, [short], "chat").ended?.count).toBe(3);
	const delivered = { count: 1, ending: { kind: "delivered" } } as const;
	expect(withoutExpired({ lease, now: 9_999, ended: delivered }, [short], "chat").ended).toEqual(delivered);
});

/** Plans a lease and returns what the provider was told of events worth a profile. */
function isWorthProfile(
	worthProfile: string[] | undefined,
	events: Fields[],
	lease: Partial<Lease> = {},
	ruled?: Ruled,
) {
	let told: boolean | undefined;
	const provider: Partial<Provider> = {
		...{ name: "chat", worthProfile },
		plan(_events, _known, _now, isWorth) {
			told = isWorth;
			return { kind: "done", settles: 1 };
		},
	};
	const stored = events.map((fields) => ({
		...storedEvent({ person, type: "track", name: "x", ...fields }),
		...(ruled && { ruled: { chat: ruled } }),
	}));
	const bodies = stored.map((each) => JSON.stringify(each));
	planLease({ bodies, known: undefined, ...lease } as Lease, provider as Provider, 0);
	return told;
}

it.each<[string, boolean, string[] | undefined, Fields[], Partial<Lease>?, Ruled?]>([
	["of the lease by its type", true, ["login"], [{ name: "a" }, { type: "login" }]],
	["of the lease by its name", true, ["basket:*"], [{ name: "basket:added" }]],
	["as a rule has it", true, ["bought"], [{ name: "paid" }], {}, { name: "bought" }],
	["as it was captured", true, ["paid"], [{ name: "paid" }], {}, { name: "bought" }],
	["that the store tells of", true, ["confirmation"], [{ name: "a" }], { earns: true }],
	["only if there is one", false, ["confirmation"], [{ name: "a" }, { type: "login" }]],
	["only if there is a list", false, undefined, [{ type: "confirmation", data: { orderId: "A" } }]],
])("the provider is told of an event worth a profile %s: %s", (_, told, list, events, lease, ruled) => {
	expect(isWorthProfile(list, events, lease, ruled)).toBe(told);
});
