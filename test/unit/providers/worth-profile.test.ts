import { describe, expect, test } from "vitest";
import type { Known, Provider } from "../../../server/providers/provider.ts";
import { createProvider } from "../../../server/providers/registry.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { eventSchema, type Person } from "../../../shared/event.ts";
import { learn, type Reply } from "./lane.ts";

const now = Date.UTC(2026, 10, 23, 12);
const hour = 3_600_000;
const ada = { email: "ada@example.com" };
const worthProfile = ["confirmation", "basket:*"];
const common = { baseUrl: "https://provider.invalid/v1", createPeople: worthProfile, occurredAt: "never" } as const;

function stored(person: Person = ada, trusted = false): StoredEvent {
	const event = eventSchema.parse({ id: crypto.randomUUID(), type: "track", name: "x", at: now, person });
	return { event, trusted, receivedAt: now };
}

/** Each provider, and its answers that make a person unknown. */
const providers: [Provider, Reply[]][] = [
	[
		createProvider("crisp", {
			...common,
			websiteId: "site-1",
			identifier: "id",
			key: "key",
			tier: "website",
			createFirst: false,
		}),
		[[404, { error: true, reason: "not_found" }]],
	],
	[createProvider("helpcrunch", { ...common, apiKey: "key" }), [[200, { data: [] }]]],
	[createProvider("vibetrace", { ...common, apiKey: "key", standardEvents: [] }), [[404]]],
];

describe.each(providers.map(([provider, replies]) => [provider.name, provider, replies] as const))(
	"where a list says which events are worth a profile, a person unknown at %s",
	async (_, provider, replies) => {
		const known: Known = await learn(provider, stored(), replies, { now });
		const create = { kind: "send", request: { purpose: "create" } };

		test.each([true, false])("waits for such an event for an hour, if trusted is %s", (trusted) => {
			expect(provider.worthProfile).toEqual(worthProfile);
			expect(provider.plan([stored(ada, trusted)], known, now + 1)).toEqual({ kind: "await", until: now + hour });
			expect(provider.plan([stored(ada, trusted)], known, now + 1, false)).toMatchObject({ kind: "await" });
		});

		test.each([true, false])("is created once there is one, if trusted is %s", (trusted) => {
			expect(provider.plan([stored(ada, trusted)], known, now + 1, true)).toMatchObject(create);
		});

		test("is looked for again after an hour", () => {
			const plan = provider.plan([stored()], known, now + hour);
			expect(plan).toMatchObject({ kind: "send" });
			expect(plan).not.toMatchObject(create);
		});
	},
);

test("a person who cannot be created does not wait", async () => {
	const [[crisp] = []] = providers;
	if (!crisp) throw new Error("no provider");
	const byId = { userId: "u-1", ids: { crisp: "p-1" } };
	const known = await learn(crisp, stored(byId), [], { now });
	expect(crisp.plan([stored(byId)], { ...known, of: "p-1", missingAt: now }, now + 1)).toMatchObject({
		kind: "refuse",
	});
});
